//go:build pulsar && linux

package attack

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/bench/wire"
)

// What comes before a session, or instead of one.
var httpAttacks = slices.Concat([]attack{
	// Heads of requests that come one byte at a time, or stop half way, and very long ones.
	{name: "500 slow request heads and huge ones", connections: 508, run: func(h *hostile) error {
		head := wire.AppendUpgrade(nil, h.Addr, h.producer(0), "X-Slow: "+strings.Repeat("a", 1000))
		h.begin()
		h.each(508, func(i int) error {
			nc, err := h.dial()
			if err != nil {
				return err
			}
			defer h.drop(nc)
			if i >= 500 {
				return h.hugeHead(nc, i)
			}
			for b := range head {
				if _, err := nc.Write(head[b : b+1]); err != nil {
					return err
				}
				h.did.Add(1)
				h.pause(20 * time.Millisecond)
			}
			return nil
		})
		return nil
	}},
	// Very many requests at once on each connection, whose answers are read or not.
	{name: "pipelined requests for metrics and statistics", connections: 6, run: func(h *hostile) error {
		h.begin()
		h.each(6, func(i int) error {
			nc, err := h.dial()
			if err != nil {
				return err
			}
			defer h.drop(nc)
			if i < 3 {
				go io.Copy(io.Discard, nc) // ends with the connection
			}
			path := [...]string{"/metrics", "/admin/v2/proxy-stats/stats", "/admin/v2/proxy-stats/metrics"}[i%3]
			return h.flood(nc, same(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, h.Addr)))
		})
		return nil
	}},
	// Patterns that are long, and those that grow when they are compiled or backtrack elsewhere.
	{name: "pathological topicsPattern", connections: 4, run: patterns},
},
	// Sessions that come and go: in order, by a reset once they are open, and by one before.
	opening(loading(both("sessions that come and go", 16, comeAndGo))),
)

// opening marks attacks that open many sessions, for which others that open one wait.
func opening(all []attack) []attack {
	for i := range all {
		all[i].opens = true
	}
	return all
}

// hugeHead sends a request whose head is as long as may be, or longer.
func (h *hostile) hugeHead(nc net.Conn, i int) error {
	lines := strings.Repeat(fmt.Sprintf("X-%d: y\r\n", i), 1500*(1+i%4))
	if _, err := nc.Write(wire.AppendUpgrade(nil, h.Addr, h.producer(0)+"?x="+strings.Repeat("%61", 2500), lines+"X-Last: z")); err != nil {
		return err
	}
	h.did.Add(1)
	_ = nc.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = nc.Read(make([]byte, 512)) // the refusal
	return nil
}

func comeAndGo(h *hostile) error {
	h.begin()
	at := make([]int, 16)
	h.each(len(at), func(i int) error {
		at[i]++
		target := [...]func(int) string{h.producer, h.consumer, h.reader}[at[i]%3](i)
		if i%4 == 0 { // it leaves while its session is opened
			nc, err := h.dial()
			if err != nil {
				return err
			}
			_, err = nc.Write(wire.AppendUpgrade(nil, h.Addr, target))
			h.drop(nc)
			h.did.Add(1)
			return err
		}
		nc, r, err := h.open(target)
		if err != nil {
			return err
		}
		defer h.drop(nc)
		h.did.Add(1)
		if i%4 == 1 {
			if _, err := nc.Write(wire.AppendClose(nil, 1000, "", 1)); err != nil {
				return err
			}
			h.listen(nc, r, time.Second)
		}
		return nil
	})
	return nil
}

func patterns(h *hostile) error {
	_, namespace, _ := strings.Cut(h.Topics, "/")
	var all []string
	for _, p := range []string{
		"((a{0,100}){0,100}){0,100}", "(a*)*b", "(((((((a?){50}){50}){50}){50}))))", "(x+x+)+y", "(a|aa)+$",
		strings.Repeat("(", 900) + strings.Repeat(")", 900), strings.Repeat("a?", 1200) + strings.Repeat("a", 1200),
		`[\p{L}]{1000}`, `(\p{L}\p{N}){500}`, strings.Repeat(`\pL`, 1000), ".*" + strings.Repeat("(.|a)*", 400),
		strings.Repeat("a", 200_000), strings.Repeat("(a|b)", 40_000),
		"(?i)[" + strings.Repeat("a-\U0010ffff", 550) + "]", "[" + strings.Repeat(`\pL`, 1300) + "]", "(?i)[" + strings.Repeat(`\w`, 1300) + "]",
	} {
		all = append(all, "/ws/v3/consumer/hostile?topicsPattern="+url.QueryEscape("persistent://"+namespace+"/"+p))
	}
	h.begin()
	at := make([]int, 4)
	h.each(len(at), func(i int) error {
		at[i]++
		return h.visit(all[(at[i]*len(at)+i)%len(all)])
	})
	return nil
}
