package embedded

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
)

func TestAdmin(t *testing.T) {
	u := start(t, Options{})
	h := u.Admin()
	call := func(method, path, body string, want int) string {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		if w.Code != want {
			t.Fatalf("%s %s: status %d, want %d: %s", method, path, w.Code, want, w.Body)
		}
		if want >= 400 && !strings.Contains(w.Body.String(), `"reason":"`) {
			t.Errorf("%s %s: no reason in %s", method, path, w.Body)
		}
		return w.Body.String()
	}
	call("PUT", "/admin/v2/tenants/acme", `{"allowedClusters":["standalone"]}`, 204)
	call("PUT", "/admin/v2/tenants/acme", "", 409)
	call("PUT", "/admin/v2/namespaces/acme/shop", "", 204)
	call("PUT", "/admin/v2/namespaces/acme/shop", "", 409)
	call("PUT", "/admin/v2/namespaces/nobody/shop", "", 404)
	call("PUT", "/admin/namespaces/acme/us-west/shop", "", 204)
	call("PUT", "/admin/v2/persistent/acme/shop/orders/partitions", "3", 204)
	call("PUT", "/admin/v2/persistent/acme/shop/orders/partitions", "3", 409)
	call("PUT", "/admin/v2/persistent/acme/shop/other/partitions", "many", 412)
	call("PUT", "/admin/v2/persistent/acme/shop/other/partitions", "0", 412)
	call("PUT", "/admin/v2/persistent/acme/none/orders/partitions", "3", 404)
	for _, unknown := range []string{"/admin", "/admin/v2", "/admin/v2/clusters/c", "/admin/v2/persistent/acme/shop", "/admin/v2/persistent/acme/shop/orders/lookup", "/other"} {
		call("GET", unknown, "", 404)
	}

	const name = "persistent://acme/us-west/shop/a/b"
	p := produce(t, u, bridge.ProducerSpec{Topic: name, Name: "p"})
	c := subscribe(t, u, bridge.ConsumerSpec{Topic: name, Type: bridge.Shared, Name: "c"}, 2)
	p.send("x", "y", "z")
	c.ack(c.take("x", "y")[0])
	var st struct {
		Publishers    []struct{ ProducerName string }
		Subscriptions map[string]struct {
			MsgBacklog, UnackedMessages int
			Type                        string
			Consumers                   []struct{ ConsumerName string }
		}
	}
	text := call("GET", "/admin/persistent/acme/us-west/shop/a%2Fb/stats", "", 200)
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		t.Fatal(err)
	}
	s := st.Subscriptions["s"]
	if s.MsgBacklog != 2 || s.UnackedMessages != 1 || s.Type != "Shared" || len(s.Consumers) != 1 || s.Consumers[0].ConsumerName != "c" ||
		len(st.Publishers) != 1 || st.Publishers[0].ProducerName != "p" {
		t.Errorf("stats %s", text)
	}
	call("GET", "/admin/v2/persistent/acme/shop/none/stats", "", 404)

	text = call("POST", "/admin/persistent/acme/us-west/shop/a%2Fb/terminate", "", 200)
	var id struct{ LedgerID, EntryID, PartitionIndex int64 }
	if err := json.Unmarshal([]byte(text), &id); err != nil || id.EntryID != 2 || id.PartitionIndex != -1 {
		t.Errorf("terminated at %s: %v", text, err)
	}
	_, err := p.try(&bridge.Outgoing{})
	wantKind(t, err, bridge.ErrTerminated)

	call("DELETE", "/admin/persistent/acme/us-west/shop/a%2Fb", "", http.StatusPreconditionFailed)
	call("DELETE", "/admin/persistent/acme/us-west/shop/a%2Fb?force=true", "", 204)
	call("DELETE", "/admin/persistent/acme/us-west/shop/a%2Fb", "", 404)
	call("DELETE", "/admin/v2/persistent/acme/shop/orders/partitions", "", 204)
}
