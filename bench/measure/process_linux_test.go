package measure

import (
	"os"
	"testing"
)

func TestReadProcess(t *testing.T) {
	p, err := ReadProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if p.Anonymous < 1<<20 || p.Threads < 1 || p.Descriptors < 3 {
		t.Errorf("%+v", p)
	}
	if _, err := ReadProcess(1 << 30); err == nil {
		t.Error("no error for a process that cannot be")
	}
	if m, err := ReadMachine(); err != nil || m.Busy <= 0 {
		t.Errorf("%+v, %v", m, err)
	}
}
