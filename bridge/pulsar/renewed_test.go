package pulsar

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar/auth"
)

// A login is made anew when its file has changed, unless the new one does not work.
func TestLoginIsMadeAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, []byte("one"))
	made, broken := "one", false
	r, err := newRenewed(file, func() (auth.Provider, error) {
		if broken {
			return nil, errors.New("broken")
		}
		return auth.NewAuthenticationToken(made), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Init(); err != nil {
		t.Fatal(err)
	}
	if err := r.WithTransport(http.DefaultTransport); err != nil {
		t.Fatal(err)
	}
	uses := func(want string) {
		t.Helper()
		if data, err := r.GetData(); err != nil || string(data) != want || r.Transport() == nil {
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
