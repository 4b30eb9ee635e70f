package pulsar

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// ConnStatus is a connection to a broker, or that there is none.
type ConnStatus struct {
	Broker    string
	Principal string // on whose behalf it is; "": the login's own
	// State is "opening", "up", or "down": the last one broke or could not be opened.
	State                string
	Since                time.Time // of the state
	Producers, Consumers int
	Requests             int   // without an answer
	Waiting              int   // bytes that are not written yet
	Err                  error // of "down"
}

// ConnCounts are sums since the client was made.
type ConnCounts struct {
	Opened uint64  // connections that came up
	Failed Reasons // that could not be opened
	Lost   Reasons // that broke
}

// maxTroubles bounds the brokers, and principals there, whose last error is kept, and troubleFor is for how long it tells anything: a broker
// that is gone for good is not asked for any more.
const (
	maxTroubles = 1000
	troubleFor  = time.Hour
)

// trouble is why there is no connection.
type trouble struct {
	err  error
	when time.Time
}

// note keeps what became of a connection: err is nil when it came up. Of a client that is closed
// nothing is kept, nor of one that nobody used.
func (p *pool) note(key connKey, opening bool, err error) {
	key.slot = 0
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || errors.Is(err, errUnused):
		return
	case err == nil:
		p.counts.Opened++
		delete(p.troubles, key)
		return
	case opening:
		p.counts.Failed[reasonOf(err)]++
	default:
		p.counts.Lost[reasonOf(err)]++
	}
	if _, known := p.troubles[key]; !known && len(p.troubles) >= maxTroubles {
		clear(p.troubles)
	}
	p.troubles[key] = trouble{err, time.Now()}
}

// Connections lists the connections that are open or being opened, and the brokers to which there is
// none because it broke or could not be opened, of each principal, sorted by broker and principal.
func (c *Client) Connections() []ConnStatus {
	p := &c.pool
	p.mu.Lock()
	conns := make([]*conn, 0, len(p.conns))
	connected := map[connKey]bool{}
	for key, x := range p.conns {
		conns = append(conns, x)
		key.slot = 0
		connected[key] = true
	}
	var list []ConnStatus
	for key, t := range p.troubles {
		if !connected[key] && time.Since(t.when) < troubleFor {
			list = append(list, ConnStatus{Broker: key.to.String(), Principal: key.principal, State: "down", Since: t.when, Err: t.err})
		}
	}
	p.mu.Unlock()
	for _, x := range conns {
		x.mu.Lock()
		s := ConnStatus{
			Broker: x.to.String(), Principal: x.principal, State: "opening", Since: x.begun,
			Producers: len(x.producers.byID), Consumers: len(x.consumers.byID), Requests: len(x.requests), Waiting: x.out.bytes,
		}
		if x.state == connUp {
			s.State = "up"
		}
		x.mu.Unlock()
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b ConnStatus) int {
		return cmp.Or(strings.Compare(a.Broker, b.Broker), strings.Compare(a.Principal, b.Principal), a.Since.Compare(b.Since))
	})
	return list
}

// ConnCounts tells the sums.
func (c *Client) ConnCounts() ConnCounts {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return c.pool.counts
}
