package gateway

import (
	"log/slog"
	"testing"

	"github.com/pulsegate/pulsegate/config"
)

func TestListenerNameReachesTheClient(t *testing.T) {
	cfg, _, err := config.Load("", nil, []string{"brokerServiceUrl=pulsar://b:6650", "brokerClient_listenerName=inside"})
	if err != nil {
		t.Fatal(err)
	}
	if got := pulsarOptions(cfg, nil, slog.Default()).ListenerName; got != "inside" {
		t.Errorf("listener %q", got)
	}
}

// With authorization and the brokers' own address the store tells where the admin API is.
func TestAdminAddressIsLookedUp(t *testing.T) {
	sets := []string{
		"brokerServiceUrl=pulsar://b:6650", "configurationMetadataStoreUrl=zk:z", "clusterName=c", "authenticationEnabled=true",
		"authenticationProviders=" + config.ProviderToken, "tokenSecretKey=/s",
	}
	for authorization, want := range map[string]bool{"true": true, "false": false} {
		cfg, _, err := config.Load("", nil, append(sets, "authorizationEnabled="+authorization))
		if err != nil {
			t.Fatal(err)
		}
		if o := pulsarOptions(cfg, nil, slog.Default()); o.AdminFromStore != want || o.Store.Cluster != "c" || o.Store.Servers[0] != "z:2181" {
			t.Errorf("authorizationEnabled=%s: %+v", authorization, o)
		}
	}
}
