package pulsar

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/login"
)

// A login is made anew when its file has changed, unless the new one does not work.
func TestLoginIsMadeAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, []byte("one"))
	made, broken := "one", false
	r, err := newRenewed(file, func() (login.Login, error) {
		if broken {
			return nil, errors.New("broken")
		}
		token := made
		return login.Token(func() (string, error) { return token, nil }), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	uses := func(want string) {
		t.Helper()
		if data, err := r.Data(); err != nil || string(data) != want {
			t.Errorf("%s, %v", data, err)
		}
	}
	made = "two"
	uses("one")
	write(t, file, []byte("two two"))
	uses("two")
	broken = true
	write(t, file, []byte("three three three"))
	uses("two")
}
