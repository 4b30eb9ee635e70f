package config

import (
	"bytes"
	"strings"
	"testing"
)

func TestWriteNamesSources(t *testing.T) {
	c, _ := mustParse(t, "# c\nglobalZookeeperServers=z\nstatusFilePath=C:\\\\up", "webServicePort=1")
	var out bytes.Buffer
	if err := c.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# t.conf:2\nconfigurationMetadataStoreUrl=z\n", "# --set\nwebServicePort=1\n", "# default\nbindAddress=0.0.0.0\n", "statusFilePath=C:\\\\up\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "webSocketNumIoThreads") {
		t.Error("a key without effect is shown as effective")
	}
}

func TestExplainedFileIsReadable(t *testing.T) {
	var out bytes.Buffer
	if err := WriteDefaults(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > lineWidth+1 && strings.Count(line, " ") > 1 {
			t.Errorf("line too long: %s", line)
		}
	}
}
