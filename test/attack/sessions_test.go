//go:build pulsar && linux

package attack

import (
	"fmt"
	"slices"
	"strings"
)

// What many sessions, or one of very many topics, make the gateway keep and the broker do.
var sessionAttacks = slices.Concat(
	// Each has a topic, a subscription and a name of its own, and stays. They open all at once, and the broker makes
	// their topics meanwhile: who opens a session then waits for it, too.
	opening(loading(both("100 sessions with a topic and a name of their own", 100, func(h *hostile) error { return h.distinct(100) }))),
	// Handshakes that make the gateway open 2,500 consumers each. The broker keeps their topics: this is the last attack.
	lasting(both("sessions over 2,500 topics", 3, manyTopics)),
)

// distinct opens n sessions that share nothing and holds them.
func (h *hostile) distinct(n int) error {
	return h.hold(n, func(i int) string {
		switch i % 3 {
		case 0:
			return fmt.Sprintf("%s?producerName=name-%d", h.producer(1000+i), i)
		case 1:
			return h.consumer(1000+i) + "?consumerName=" + fmt.Sprint(i)
		}
		return h.reader(1000 + i)
	})
}

func manyTopics(h *hostile) error {
	// Names of two characters: 2,500 of them go into a URL.
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	h.begin()
	h.each(3, func(i int) error {
		var names []string
		for n := range 2500 {
			names = append(names, letters[n/len(letters):][:1]+letters[n%len(letters):][:1])
		}
		h.did.Add(1) // an answer may be long in coming
		return h.visit(fmt.Sprintf("/ws/v3/consumer/hostile-%d?topics=%s", i, strings.Join(names, ",")))
	})
	return nil
}
