package gateway

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge/embedded"
	"github.com/pulsegate/pulsegate/bridge/pulsar"
	"github.com/pulsegate/pulsegate/config"
)

var gateSecret = []byte("0123456789abcdef0123456789abcdef")

func withLogin(c *config.Config) {
	c.AuthenticationEnabled = true
	c.AuthenticationProviders = []string{config.ProviderToken}
	c.TokenSecretKey = config.Secret("data:;base64," + base64.StdEncoding.EncodeToString(gateSecret))
	c.SuperUserRoles = []string{"root"}
}

func asRole(t *testing.T, role string) http.Header {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": role}).SignedString(gateSecret)
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// Topics in this process have no permissions: with authorization on they are
// for super-users alone, without it for everyone who logs in.
func TestLoginOnEmbeddedTopics(t *testing.T) {
	const path = "/ws/v2/producer/persistent/public/default/t"
	for _, authorization := range []bool{false, true} {
		addr, log, stop := serve(t, func(c *config.Config) {
			withLogin(c)
			c.AuthorizationEnabled = authorization
		})
		want := map[string]int{"": 401, "someone": 101, "root": 101}
		if authorization {
			want["someone"] = 403
		}
		for role, status := range want {
			var header http.Header
			if role != "" {
				header = asRole(t, role)
			}
			c, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+path, header)
			if err == nil {
				_ = c.Close()
			}
			if resp == nil || resp.StatusCode != status {
				t.Errorf("authorization %v, %q: %v, %v", authorization, role, resp, err)
			}
		}
		if authorization != strings.Contains(log.String(), "only super-users can use them") {
			t.Errorf("authorization %v: log %s", authorization, log)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), asRole(t, "someone").Get("Authorization")[20:]) {
			t.Error("the log shows a token")
		}
	}
}

func TestAuthorizationWithoutAnAdminAPI(t *testing.T) {
	cfg := config.Defaults()
	withLogin(cfg)
	cfg.AuthorizationEnabled = true
	up, err := pulsar.New(pulsar.Options{BrokerServiceURL: "pulsar://127.0.0.1:2", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, _, err := openGate(cfg, up, slog.New(slog.DiscardHandler)); !errors.Is(err, errNoAdminAPI) {
		t.Errorf("got %v", err)
	}
}

func TestNoGateWithoutAuthentication(t *testing.T) {
	up := embedded.New(embedded.Options{})
	defer up.Close()
	gate, done, err := openGate(config.Defaults(), up, slog.New(slog.DiscardHandler))
	done()
	if gate != nil || err != nil {
		t.Errorf("%v, %v", gate, err)
	}
}

// What a configuration names is read when it is checked.
func TestCheckAccess(t *testing.T) {
	cfg := config.Defaults()
	if err := CheckAccess(cfg); err != nil {
		t.Error(err)
	}
	withLogin(cfg)
	if err := CheckAccess(cfg); err != nil {
		t.Error(err)
	}
	cfg.TokenSecretKey = config.Secret("file://" + filepath.Join(t.TempDir(), "none"))
	var fault *auth.SettingError
	if err := CheckAccess(cfg); !errors.As(err, &fault) || fault.Key != "tokenSecretKey" {
		t.Errorf("got %v", err)
	}
}

// Each provider of the configuration has a method here.
func TestEveryProviderHasAMethod(t *testing.T) {
	cfg := config.Defaults()
	cfg.AuthenticationProviders = []string{config.ProviderToken, config.ProviderOpenID, config.ProviderBasic, config.ProviderTLS}
	got := authenticatorOptions(cfg, nil).Methods
	if strings.Join(got, ",") != "token,openid,basic,tls" {
		t.Errorf("%q", got)
	}
}
