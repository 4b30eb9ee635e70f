package conformance

import "regexp"

// Exchange is a message between a case's client and the server, or the body of
// the answer to a handshake that was refused.
type Exchange struct {
	Session    string // the kind of the session: "producer", "consumer" or "reader"; "" for a refusal
	FromServer bool
	Text       string
}

func (t *T) observe(e Exchange) {
	if t.observed != nil {
		t.observed(e)
	}
}

// observeSent tells of the messages that the frames make up. What breaks the rules
// of WebSocket and what is compressed makes up none.
func (t *T) observeSent(kind string, frames []Frame) {
	var whole []byte
	open := false
	for _, f := range frames {
		switch {
		case f.Op >= OpClose:
			continue
		case f.RSV != 0 || f.Unmasked || f.Form != shortest || f.Length != 0 || open != (f.Op == OpContinuation):
			return
		}
		whole, open = append(whole, f.Payload...), f.More
		if !open {
			t.observe(Exchange{Session: kind, Text: string(whole)})
			whole = nil
		}
	}
}

// sessionPath finds the kind of a session in its target, which may have a host in front.
var sessionPath = regexp.MustCompile(`/ws/(?:v2/|v3/)?(producer|consumer|reader)/`)

// sessionKind is the kind of the session at a handshake's target.
func sessionKind(target string) string {
	if m := sessionPath.FindStringSubmatch(target); m != nil {
		return m[1]
	}
	return target
}
