package filename

import (
	"errors"
	"strings"
	"testing"
)

func TestFault(t *testing.T) {
	err := errors.New("open it")
	for _, path := range []string{"/etc/pulsegate/key.pem", "key", "conf/" + strings.Repeat("a", 60) + ".pem", ""} {
		if got := Fault(err, path); got != err {
			t.Errorf("%q: %v", path, got)
		}
	}
	for _, secret := range []string{
		"-----BEGIN PRIVATE KEY-----\nMC4C\n", "-----BEGIN PRIVATE KEY-----", " Data:application/x-pem-file;base64,MC4C", "base64:MC4C", `{"client_secret":"x"}`,
		"MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/" + strings.Repeat("a", longest),
	} {
		if got := Fault(err, "/etc/cert.pem", secret); got != ErrNone {
			t.Errorf("%q: %v", secret, got)
		}
		if Fault(nil, secret) != nil {
			t.Error("a fault where there is none")
		}
	}
}
