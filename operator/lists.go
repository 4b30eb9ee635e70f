package operator

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

func sessionFields(now time.Time) []field[Session] {
	return []field[Session]{
		{name: "id", number: func(s *Session) float64 { return float64(s.ID) }},
		{name: "kind", text: func(s *Session) string { return s.Kind }},
		{name: "topic", text: func(s *Session) string { return s.Topic }},
		{name: "subscription", text: func(s *Session) string { return s.Subscription }},
		{name: "subscriptionType", text: func(s *Session) string { return s.SubscriptionType }},
		{name: "role", text: func(s *Session) string { return s.Role }},
		{name: "address", text: func(s *Session) string { return s.Address.String() }},
		{name: "userAgent", text: func(s *Session) string { return s.UserAgent }},
		{name: "ageSeconds", number: func(s *Session) float64 { return now.Sub(s.Opened).Seconds() }},
		{name: "idleSeconds", number: func(s *Session) float64 { return s.IdleSeconds }},
		{name: "received", number: func(s *Session) float64 { return float64(s.Received) }},
		{name: "messages", number: func(s *Session) float64 { return float64(s.Messages) }},
		{name: "sentBytes", number: func(s *Session) float64 { return float64(s.SentBytes) }},
		{name: "unacknowledged", number: func(s *Session) float64 { return float64(s.Unacknowledged) }},
		{name: "inFlight", number: func(s *Session) float64 { return float64(s.InFlight) }},
		{name: "unsentBytes", number: func(s *Session) float64 { return float64(s.UnsentBytes) }},
		{name: "slowSeconds", number: func(s *Session) float64 { return s.SlowSeconds }},
		{name: "sharing", number: func(s *Session) float64 { return float64(s.Sharing) }},
		{
			name: "upstream", has: func(s *Session, id uint64) bool { return slices.Contains(s.Upstream, id) },
			number: func(s *Session) float64 {
				if len(s.Upstream) == 0 {
					return 0
				}
				return float64(s.Upstream[0])
			},
		},
	}
}

func sessionTie(a, b *Session) int { return cmp.Compare(a.ID, b.ID) }

// Sessions is the answer to a request for sessions.
type Sessions struct {
	Total    int       `json:"total"` // that pass the filters; of them one page is listed
	Sessions []Session `json:"sessions"`
}

// Counts tells how many there are and how many of them are listed.
func (s Sessions) Counts() (listed, total int) { return len(s.Sessions), s.Total }

// sessions answers GET sessions.
func (h *handler) sessions(r *http.Request) (any, *problem) {
	total, list, no := pageOf(r, sessionFields(time.Now()), sessionTie, h.source.Sessions)
	return Sessions{total, list}, no
}

// session answers GET sessions/{id}.
func (h *handler) session(r *http.Request) (any, *problem) {
	id, no := sessionID(r)
	if no != nil {
		return nil, no
	}
	var found *Session
	h.source.Sessions(func(s *Session) bool {
		if s.ID == id {
			copied := *s
			found = &copied
		}
		return found == nil
	})
	if found == nil {
		return nil, errNoSession
	}
	return found, nil
}

// Topic is what the sessions on one topic do together.
type Topic struct {
	Topic          string `json:"topic"`
	Sessions       int    `json:"sessions"`
	Producers      int    `json:"producers"`
	Consumers      int    `json:"consumers"`
	Readers        int    `json:"readers"`
	Subscriptions  int    `json:"subscriptions"`
	Published      uint64 `json:"published"` // by the sessions that are open
	Delivered      uint64 `json:"delivered"` // to them
	Unacknowledged int    `json:"unacknowledged"`
	UnsentBytes    int64  `json:"unsentBytes"`
	Slow           int    `json:"slow"` // sessions whose output waits
}

var topicFields = []field[Topic]{
	{name: "topic", text: func(t *Topic) string { return t.Topic }},
	{name: "sessions", number: func(t *Topic) float64 { return float64(t.Sessions) }},
	{name: "producers", number: func(t *Topic) float64 { return float64(t.Producers) }},
	{name: "consumers", number: func(t *Topic) float64 { return float64(t.Consumers) }},
	{name: "readers", number: func(t *Topic) float64 { return float64(t.Readers) }},
	{name: "subscriptions", number: func(t *Topic) float64 { return float64(t.Subscriptions) }},
	{name: "published", number: func(t *Topic) float64 { return float64(t.Published) }},
	{name: "delivered", number: func(t *Topic) float64 { return float64(t.Delivered) }},
	{name: "unacknowledged", number: func(t *Topic) float64 { return float64(t.Unacknowledged) }},
	{name: "unsentBytes", number: func(t *Topic) float64 { return float64(t.UnsentBytes) }},
	{name: "slow", number: func(t *Topic) float64 { return float64(t.Slow) }},
}

func topicTie(a, b *Topic) int { return strings.Compare(a.Topic, b.Topic) }

// Topics is the answer to a request for topics.
type Topics struct {
	Total  int     `json:"total"`
	Topics []Topic `json:"topics"`
}

// Counts tells how many there are and how many of them are listed.
func (t Topics) Counts() (listed, total int) { return len(t.Topics), t.Total }

// topics answers GET topics.
func (h *handler) topics(r *http.Request) (any, *problem) {
	total, list, no := pageOf(r, topicFields, topicTie, func(visit func(*Topic) bool) { h.eachTopic(r.Context(), visit) })
	return Topics{total, list}, no
}

// eachTopic visits what the sessions on each topic do together, in no order, until visit returns false. When ctx has ended, some are left out.
func (h *handler) eachTopic(ctx context.Context, visit func(*Topic) bool) {
	type subscription struct{ topic, name string }
	all, seen := map[string]*Topic{}, map[subscription]bool{}
	h.source.Sessions(func(s *Session) bool {
		t := all[s.Topic]
		if t == nil {
			t = &Topic{Topic: s.Topic}
			all[s.Topic] = t
		}
		t.add(s)
		if at := (subscription{s.Topic, s.Subscription}); s.Subscription != "" && !seen[at] {
			seen[at] = true
			t.Subscriptions++
		}
		return ctx.Err() == nil
	})
	for _, t := range all {
		if !visit(t) {
			return
		}
	}
}

func (t *Topic) add(s *Session) {
	t.Sessions++
	switch s.Kind {
	case "producer":
		t.Producers++
		t.Published += s.Messages
	case "consumer":
		t.Consumers++
		t.Delivered += s.Messages
	default:
		t.Readers++
		t.Delivered += s.Messages
	}
	t.Unacknowledged += s.Unacknowledged
	t.UnsentBytes += s.UnsentBytes
	if s.UnsentBytes > 0 {
		t.Slow++
	}
}

var clientFields = []field[Client]{
	{name: "id", has: func(c *Client, id uint64) bool { return c.ID == id }, number: func(c *Client) float64 { return float64(c.ID) }},
	{name: "kind", text: func(c *Client) string { return c.Kind }},
	{name: "topic", text: func(c *Client) string { return c.Topic }},
	{name: "subscription", text: func(c *Client) string { return c.Subscription }},
	{name: "role", text: func(c *Client) string { return c.Role }},
	{name: "sessions", number: func(c *Client) float64 { return float64(c.Sessions) }},
	{name: "connected", text: func(c *Client) string {
		if c.Connected {
			return "true"
		}
		return "false"
	}},
}

func clientTie(a, b *Client) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Subscription, b.Subscription), strings.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID))
}

// Upstream is the answer to a request for what the gateway has at the brokers.
type Upstream struct {
	Total   int      `json:"total"`
	Clients []Client `json:"clients"`
}

// Counts tells how many there are and how many of them are listed.
func (u Upstream) Counts() (listed, total int) { return len(u.Clients), u.Total }

// upstream answers GET upstream.
func (h *handler) upstream(r *http.Request) (any, *problem) {
	total, list, no := pageOf(r, clientFields, clientTie, h.source.Clients)
	return Upstream{total, list}, no
}
