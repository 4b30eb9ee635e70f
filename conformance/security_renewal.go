package conformance

import (
	"fmt"
	"time"
)

const noRenewal = "Java looks at a token when a session is opened, and never again (PIP-292 is not in 4.0.7)"

// challenge is the frame that asks for a new token, word for word PIP-292's.
const challenge = `{"type":"AUTH_CHALLENGE","authChallenge":{"challenge":{"authMethodName":"token","authData":"token"},"protocolVersion":0}}`

func answer(token string) string {
	return fmt.Sprintf(`{"type":"AUTH_RESPONSE","authResponse":{"clientVersion":"v0","protocolVersion":0,"response":{"authMethodName":"token","authData":%q}}}`, token)
}

// shortLived is a token of the super-user that runs out in a moment.
func shortLived() string { return ecToken(AdminRole, "exp", at(3*time.Second)) }

func renewalCases() Area {
	const gone = "Failed to authenticate client"
	sessions := map[string]func(topic Topic) string{
		"producer": func(topic Topic) string { return ProducerPath(topic) },
		"consumer": func(topic Topic) string { return ConsumerPath(topic, "s") },
		"reader":   func(topic Topic) string { return ReaderPath(topic) },
		"v3":       func(topic Topic) string { return "/ws/v3/consumer/s?topics=" + topic.Name() },
	}
	works := func(t *T, kind string, topic Topic, s *Session) {
		if kind == "producer" {
			s.Publish("x")
			return
		}
		t.Open(ProducerPath(topic), Bearer(ecToken(AdminRole))).Publish("x")
		s.Take("x")
	}
	var cases []Case
	for _, kind := range []string{"producer", "consumer", "reader", "v3"} {
		path := sessions[kind]
		cases = append(cases, Case{
			ID: "renew/" + kind, Text: "a " + kind + "'s client is asked for a new token when its own runs out, and goes on with it", Better: noRenewal, Conf: ecConf, Slow: true, Timeout: 40 * time.Second,
			Run: func(t *T) {
				topic := t.Topic()
				s := t.Open(path(topic), Bearer(shortLived()))
				s.Expect(challenge)
				s.Send(answer(ecToken(AdminRole, "exp", at(time.Hour))))
				works(t, kind, topic, s)
			},
		}, Case{
			ID: "renew/" + kind + "-silent", Text: "a " + kind + " whose client does not answer is closed with 4005", Better: noRenewal, Conf: ecConf, Slow: true, Timeout: 40 * time.Second,
			Run: func(t *T) {
				s := t.Open(path(t.Topic()), Bearer(shortLived()))
				s.Expect(challenge)
				s.ExpectClose(4005, gone)
			},
		})
	}
	return Area{Name: "Security: tokens that run out", Cases: append(cases,
		Case{ID: "renew/again", Text: "the new token runs out like the first", Better: noRenewal, Conf: ecConf, Slow: true, Timeout: 40 * time.Second, Run: func(t *T) {
			s := t.Open(ProducerPath(t.Topic()), Bearer(shortLived()))
			for range 2 {
				s.Expect(challenge)
				s.Send(answer(shortLived()))
			}
			s.Expect(challenge)
			s.ExpectClose(4005, gone)
		}},
		Case{ID: "renew/early", Text: "a new token may come before it is asked for", Better: noRenewal, Conf: ecConf, Slow: true, Timeout: 40 * time.Second, Run: func(t *T) {
			topic := t.Topic()
			early, late := t.Open(ReaderPath(topic), Bearer(shortLived())), t.Open(ReaderPath(topic), Bearer(shortLived()))
			early.Send(answer(ecToken(AdminRole)))
			late.Expect(challenge)
			late.ExpectClose(4005, gone)
			early.Fence()
		}},
		Case{ID: "renew/bad", Text: "a token that is forged, has run out or is for another role is no answer", Better: noRenewal, Conf: ecConf, Slow: true, Timeout: 40 * time.Second, Run: func(t *T) {
			var sessions []*Session
			for _, bad := range []string{Token(AdminRole), ecToken(AdminRole, "exp", at(-time.Minute)), ecToken("guest"), "garbage"} {
				s := t.Open(ProducerPath(t.Topic()), Bearer(shortLived()))
				s.Send(answer(bad))
				sessions = append(sessions, s)
			}
			for _, s := range sessions {
				s.Expect(challenge)
				s.ExpectClose(4005, gone)
			}
		}},
		Case{ID: "renew/off", Text: "without authenticationRefreshCheckSeconds a session outlives its token", Timeout: 40 * time.Second, Run: func(t *T) {
			topic := t.Topic()
			s := t.Open(ProducerPath(topic), Bearer(Token(AdminRole, "exp", at(3*time.Second))))
			token := Token(AdminRole, "exp", at(3*time.Second))
			t.Eventually("a token of the same time has run out", func() bool {
				c, resp, _ := t.do(Handshake{Target: ProducerPath(topic), Headers: []string{Bearer(token)}})
				c.Kill()
				return resp.StatusCode == 401
			})
			s.Publish("x")
		}},
	)}
}
