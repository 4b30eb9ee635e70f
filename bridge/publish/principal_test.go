package publish

import (
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// A producer whose role has lost its permission ends. It is made anew when the role has it again.
func TestProducerOfARoleThatIsDenied(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	spec := bridge.ProducerSpec{Topic: topic, Principal: "alice"}
	o := produce(t, ps, spec)
	send(t, o, "MQ==", "")
	u.Made()[0].Confirm(0, &bridge.Error{Kind: bridge.ErrForbidden, Detail: "alice may not"})
	waitFor(t, "another producer", func() bool { return len(u.Made()) == 2 })
	if got := o.Fill(9); len(got) != 1 || !strings.Contains(got[0], "alice may not") || !strings.Contains(got[0], `"send-error:6"`) {
		t.Errorf("answers: %q", got)
	}
	send(t, o, "Mg==", "")
	second := u.Made()[1]
	waitFor(t, "a message", func() bool { return second.Payloads() == "2" })
	if second.Spec != spec {
		t.Errorf("made anew: %+v", second.Spec)
	}
	second.Confirm(0, nil)
}
