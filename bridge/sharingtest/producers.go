package sharingtest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/codec"
)

// producers lets clients share a producer with a short queue: sessions come,
// publish in bursts, and leave, some without waiting for answers. The answers of a
// session are its own, in the order it sent, and the topic holds each session's messages in
// that order, each answered one exactly once, at the place the answer names.
func producers(r *round) {
	b := r.bridge(hub.Options{MaxInFlight: 1 + r.random.IntN(100)})
	spec := bridge.ProducerSpec{Topic: r.topic, SendTimeout: patience, MaxPending: 1 + r.random.IntN(30)}
	if r.random.IntN(2) == 0 {
		spec.Batching, spec.BatchingMaxDelay, spec.BatchingMaxPending = true, 1e6, 5
	}
	const clients = 8
	var work sync.WaitGroup
	var mu sync.Mutex
	answered := map[string]codec.MessageID{}
	for c := range clients {
		work.Go(func() {
			random := r.source(c)
			for life, left := 0, r.env.Messages/clients; left > 0 && !r.Failed(); life++ {
				n := min(left, 1+random.IntN(60))
				left -= n
				ids := publishSome(r, b, spec, random, fmt.Sprintf("%d/%d", c, life), n)
				mu.Lock()
				for what, id := range ids {
					answered[what] = id
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	r.await(b, func(g census.Gauges) bool { return g.ProducerSessions == 0 && g.UpstreamProducers == 0 })
	if r.Failed() {
		return
	}

	// A last message shows where the topic ends.
	p := r.publisher(b, false)
	p.burst(1)
	end := p.id(0)
	p.s.session.Close()
	next, found := map[string]int{}, map[string]bool{}
	for _, m := range r.readTo(end) {
		session, number := split(string(m.Payload))
		what := string(m.Payload)
		if number < next[session] {
			r.Errorf("message %s is stored behind a later one of its session, or twice", what)
		}
		next[session] = number + 1
		if id, ok := answered[what]; ok && !same(id, m.ID) {
			r.Errorf("message %s is stored at %+v, its answer said %+v", what, m.ID, id)
		}
		found[what] = true
	}
	for what := range answered {
		if !found[what] {
			r.Errorf("message %s was answered ok and is not stored", what)
		}
	}
}

// split takes a payload of publishSome apart: session and number.
func split(payload string) (session string, number int) {
	i := strings.LastIndexByte(payload, '/')
	_, _ = fmt.Sscan(payload[i+1:], &number)
	return payload[:i], number
}

// publishSome is the life of one session that publishes n messages. It returns
// the ids of those that were answered.
func publishSome(r *round, b *hub.Hub, spec bridge.ProducerSpec, random *rand.Rand, session string, n int) map[string]codec.MessageID {
	ids := map[string]codec.MessageID{}
	s := open(r, func(o bridge.Outlet, d bridge.Opened) func() { return b.Produce(spec, o, d) })
	if s == nil {
		return ids
	}
	defer s.session.Close()
	leave := random.IntN(4) == 0 // without waiting for the last answers
	for sent, got := 0, 0; got < n; {
		for burst := 1 + random.IntN(20); sent < n && burst > 0 && !s.session.Full(); burst-- {
			what := fmt.Sprintf("%s/%d", session, sent)
			s.handle(`{"payload":%q,"context":%q}`, base64.StdEncoding.EncodeToString([]byte(what)), what)
			sent++
		}
		if leave && sent == n {
			return ids
		}
		frames := s.take(1+random.IntN(20), nil)
		if frames == nil {
			return ids
		}
		for _, f := range frames {
			a := parseAnswer(r, f)
			if want := fmt.Sprintf("%s/%d", session, got); a.Result != "ok" || a.Context != want {
				r.Errorf("publish %s is answered by %s", want, f)
				return ids
			}
			ids[a.Context] = a.id
			got++
		}
	}
	return ids
}

// flood lets one session publish as fast as it may and never read an answer,
// and others publish one message after the other on the same producer. The flood must be
// stopped at the session's bound, and the others get on.
func flood(r *round) {
	const bound = 100
	b := r.bridge(hub.Options{MaxInFlight: bound})
	spec := bridge.ProducerSpec{Topic: r.topic, SendTimeout: patience, MaxPending: 10}
	start := func(o bridge.Outlet, d bridge.Opened) func() { return b.Produce(spec, o, d) }
	flooder := open(r, start)
	if flooder == nil {
		return
	}
	sent := 0
	for ; !flooder.session.Full(); sent++ {
		if sent > bound {
			r.Fatalf("%d publishes are in flight, and more are taken", sent)
		}
		flooder.handle(`{"payload":%q,"context":"%d"}`, base64.StdEncoding.EncodeToString(make([]byte, 1+r.random.IntN(10_000))), sent)
	}
	var work sync.WaitGroup
	for c := range 4 {
		work.Go(func() {
			if ids := publishOneByOne(r, b, spec, fmt.Sprint(c), 50); ids != 50 {
				r.Errorf("%d of 50 messages beside the flood were answered", ids)
			}
		})
	}
	work.Wait()
	for got := 0; got < sent; {
		frames := flooder.take(sent-got, nil)
		if frames == nil {
			break
		}
		for _, f := range frames {
			if a := parseAnswer(r, f); a.Result != "ok" || a.Context != fmt.Sprint(got) {
				r.Errorf("publish %d of the flood is answered by %s", got, f)
			}
			got++
		}
	}
	if flooder.session.Full() {
		r.Error("the session is full with all answers read")
	}
	flooder.session.Close()
	r.await(b, func(g census.Gauges) bool { return g.ProducerSessions == 0 && g.UpstreamProducers == 0 })
}

func publishOneByOne(r *round, b *hub.Hub, spec bridge.ProducerSpec, name string, n int) (answered int) {
	s := open(r, func(o bridge.Outlet, d bridge.Opened) func() { return b.Produce(spec, o, d) })
	if s == nil {
		return 0
	}
	defer s.session.Close()
	for i := range n {
		what := fmt.Sprintf("%s/%d", name, i)
		s.handle(`{"payload":"eA==","context":%q}`, what)
		frames := s.take(1, nil)
		if frames == nil {
			return answered
		}
		if a := parseAnswer(r, frames[0]); a.Result != "ok" || a.Context != what {
			r.Errorf("publish %s is answered by %s", what, frames[0])
			return answered
		}
		answered++
	}
	return answered
}
