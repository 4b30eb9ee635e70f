package gateway

import (
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server"
	"github.com/pulsegate/pulsegate/server/tlsconf"
)

// inEffect is what a reload hands to the rooms.
type inEffect struct {
	server   server.Options
	bridge   bridge.Limits
	login    auth.AuthenticatorOptions
	rules    auth.Rules
	tls      tlsconf.Options
	memory   int64
	level    string
	draining time.Duration
}

func effectOf(cfg *config.Config) inEffect {
	return inEffect{
		server: serverLimits(cfg), bridge: bridgeLimits(cfg), login: authenticatorOptions(cfg, slog.Default()),
		rules: auth.Rules{SuperUsers: cfg.SuperUserRoles, Wildcards: cfg.AuthorizationAllowWildcards, MaxFailures: cfg.MaxFailedLoginsPerAddress},
		tls:   tlsOptions(cfg), memory: memoryLimit(cfg), level: cfg.LogLevel, draining: cfg.DrainTimeout,
	}
}

// Each key that is said to take effect on SIGHUP changes what the rooms are given,
// and no other key does.
func TestLiveKeysReachTheRooms(t *testing.T) {
	const providers = config.ProviderToken + "," + config.ProviderBasic
	common := []string{
		"serviceUrl=http://b:8080", "webServicePortTls=8443", "tlsCertificateFilePath=cert", "tlsKeyFilePath=key", "tlsKeyStore=store", "tlsTrustStore=trust",
		"authenticationEnabled=true", "authenticationProviders=" + providers, "tokenSecretKey=secret", "tokenAudience=us", "basicAuthConf=users",
		"brokerClient_tlsCertificateFilePath=cert", "brokerClient_tlsKeyFilePath=key",
	}
	bases := [][]string{common, append(common[:len(common):len(common)], "tlsEnabledWithKeyStore=true")}
	values := []string{"true", "false", "17", "70000", "2000000", "warn", "iso", config.V1NamesWithoutCluster, "json", "text", config.ProviderBasic, "TLSv1.3",
		"ECDHE-RSA-AES128-GCM-SHA256", "RS512", "http://other:1", "pulsar://other:1", "https://other:1", "pulsar+ssl://other:1", "zk:other:1", config.AuthToken}
	for _, k := range config.Keys() {
		if k.Effect != config.Effective || k.Name == "tokenSettingPrefix" { // it says which names count
			continue
		}
		changed, reached := false, false
		for _, base := range bases {
			before, _, err := config.Load("", nil, base)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				next, _, err := config.Load("", nil, append(base[:len(base):len(base)], k.Name+"="+v))
				if err != nil {
					continue
				}
				now, changes, err := before.Reload(next)
				if err != nil || len(changes) == 0 {
					continue
				}
				changed = true
				reached = reached || !reflect.DeepEqual(effectOf(before), effectOf(now))
			}
		}
		if !changed {
			t.Errorf("%s: no value of this test changes it", k.Name)
		}
		if reached != k.Live() {
			t.Errorf("%s: said to take effect: %v; reached the rooms: %v", k.Name, k.Live(), reached)
		}
	}
}
