package pulsar

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
		if data, err := r.Data(t.Context()); err != nil || string(data) != want {
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

// An OAuth2 key file that is half-written leaves what was in it before in use, also for tokens that are fetched anew.
func TestOAuth2KeyFileHalfWritten(t *testing.T) {
	var client string
	var issuer *httptest.Server
	issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			_, _ = io.WriteString(w, `{"token_endpoint":"`+issuer.URL+`/token"}`)
			return
		}
		client = r.FormValue("client_id")
		_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
	}))
	defer issuer.Close()
	file := filepath.Join(t.TempDir(), "key.json")
	write(t, file, []byte(`{"client_id":"first","client_secret":"s"}`))
	l, err := newLogin("oauth2", `{"privateKey":"`+file+`","issuerUrl":"`+issuer.URL+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	uses := func(want string) {
		t.Helper()
		l.Refused()
		if _, err := l.Data(t.Context()); err != nil || client != want {
			t.Errorf("%v, by %s", err, client)
		}
	}
	uses("first")
	write(t, file, []byte(`{"client_id":"sec`))
	uses("first")
	write(t, file, []byte(`{"client_id":"second","client_secret":"s"}`))
	uses("second")
}
