package tlsio

import (
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// The older versions of llib are a copy of Go's TLS of 2021, with its holes.
// And what [forgetHandshake] drops must be there.
func TestLinkedVersion(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/lesismal/llib").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(out))
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch); err != nil || major != 1 || minor*1000+patch < 2005 {
		t.Errorf("github.com/lesismal/llib %s is linked; v1.2.5 is the oldest that may be", version)
	}
	if len(llibHandshake) == 0 || len(llibInput) != 2 || llibInput[0].Type.String() != "bytes.Reader" || llibInput[1].Type.String() != "*[]uint8" {
		t.Errorf("a connection of llib %s looks different: idle sessions will not be small", version)
	}
	for _, f := range llibBuffers {
		if f.Type.String() != "*[]uint8" {
			t.Errorf("%s of llib %s is no buffer", f.Name, version)
		}
	}
	if len(llibBuffers) == 0 || len(llibUsed) == 0 || llibUsed[0].Type.Kind() != reflect.Int || llibReadKeys == 0 {
		t.Errorf("a connection of llib %s looks different: what its client has sent will not be bounded", version)
	}
}
