package config

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzLoad: no file crashes the reader, and what is accepted means the same when it
// is written out and read again.
func FuzzLoad(f *testing.F) {
	var stock bytes.Buffer
	if err := WriteDefaults(&stock); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", javaKeys, stock.String(),
		"globalZookeeperServers=a:2181,b/x\nwebServicePort=8080\nclusterName=c",
		"a=\\u12", "=x", "\\", "a\\\r\n=b", "clusterName=\\u0000\\uD83D\\uDE00", "caf\xe9=1",
		"allowedOrigins=https://a,,https://b", "serviceUrl=http://[::1]:80/x", "configurationStoreServers=zk://[::1]",
		"webSocketMaxTextFrameSize=1e3\nlogLevel=INFO", "authenticationEnabled=true",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := parse("f", data, nil, nil)
		if err != nil {
			if c != nil {
				t.Fatal("an error and a configuration")
			}
			if v := (*ValueError)(nil); errors.As(err, &v) && (v.Key == "" || v.Reason == "") {
				t.Fatalf("an error without a key or reason: %#v", v)
			}
			return
		}
		var out bytes.Buffer
		if err := c.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, _, err := parse("again", out.Bytes(), nil, nil)
		if bytes.Contains(out.Bytes(), []byte(masked)) {
			return // not the same
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, out.Bytes())
		}
		assertSame(t, again, c)
	})
}
