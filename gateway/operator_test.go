package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/operator"
)

// What operators are shown of the configuration, and the log, hold no key that is in the place of its file's path.
func TestConfigForOperators(t *testing.T) {
	loaded, _, err := config.Load("", nil, []string{
		"bindAddress=127.0.0.1", "webServicePort=0", "statusFilePath=/run/pulsegate/up",
		"tlsKeyFilePath=-----BEGIN PRIVATE KEY-----hunter2", "tlsTrustStore=hunter2CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAA",
	})
	if err != nil {
		t.Fatal(err)
	}
	addr, log, _ := serve(t, func(c *config.Config) { *c = *loaded })
	resp, err := http.Get("http://" + addr + "/gateway/config")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	shown, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	for _, want := range []string{"\nstatusFilePath=/run/pulsegate/up\n", "\ntlsKeyFilePath=******\n", "\ntlsTrustStore=******\n"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("no %q in %s", want, shown)
		}
	}
	if strings.Contains(string(shown)+log.String(), "hunter2") {
		t.Errorf("a key is in %s%s", shown, log.String())
	}
}

// Sessions of one client at the brokers lead to it, and it leads to them.
func TestWhichSessionSharesWhat(t *testing.T) {
	addr, _, _ := serve(t, func(c *config.Config) { c.SharedConsumers = 1 })
	for _, subscription := range []string{"one", "one", "two"} {
		dial(t, addr, "/ws/v2/consumer/persistent/public/default/t/"+subscription+"?subscriptionType=Shared")
	}
	dial(t, addr, "/ws/v2/consumer/persistent/public/default/t/own")
	get := func(page string, into any) {
		t.Helper()
		resp, err := http.Get("http://" + addr + "/gateway/" + page)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d, %v", page, resp.StatusCode, err)
		}
	}
	var all operator.Sessions
	get("sessions?sort=id", &all)
	if all.Total != 4 {
		t.Fatalf("%+v", all)
	}
	one, again, two, own := all.Sessions[0].Upstream, all.Sessions[1].Upstream, all.Sessions[2].Upstream, all.Sessions[3].Upstream
	if len(one) != 1 || !slices.Equal(one, again) || len(two) != 1 || slices.Equal(one, two) || len(own) != 0 {
		t.Fatalf("they use %v and %v, %v, and %v alone", one, again, two, own)
	}
	var single operator.Session
	get(fmt.Sprint("sessions/", all.Sessions[1].ID), &single)
	if !slices.Equal(single.Upstream, one) {
		t.Errorf("%+v does not use %v", single, one)
	}
	for i, subscription := range []string{"one", "two"} {
		id := [...]uint64{one[0], two[0]}[i]
		var up operator.Upstream
		get(fmt.Sprint("upstream?id=", id), &up)
		if up.Total != 1 || up.Clients[0].ID != id || up.Clients[0].Subscription != subscription {
			t.Fatalf("%d is %+v", id, up)
		}
		var users operator.Sessions
		get(fmt.Sprint("sessions?upstream=", id), &users)
		if users.Total != 2-i || up.Clients[0].Sessions != users.Total || users.Sessions[0].Subscription != subscription {
			t.Errorf("%+v is used by %+v", up.Clients[0], users)
		}
	}
}
