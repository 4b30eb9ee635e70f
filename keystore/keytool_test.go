//go:build pulsar

package keystore

import (
	"os/exec"
	"testing"
)

// The Java at hand writes stores as those in testdata, and they are read as well.
func TestKeytool(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("testdata/make", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testStores(t, dir)
}
