package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/route"
	"github.com/pulsegate/pulsegate/topic"
)

const (
	// admitTimeout bounds the decision about one client. The admin API that may
	// have to be asked has less.
	admitTimeout = 20 * time.Second

	// maxRenewals bounds the renewals of one session that may fail.
	maxRenewals = 5

	// farExpiry is how far ahead a token's end is looked for at most; it is looked
	// at again then. It keeps ticks from overflowing.
	farExpiry = 24 * time.Hour
)

// standing is what is known of a session's client. A connection has one only
// where clients log in. [conn.mu] guards it.
type standing struct {
	grant      *auth.Grant
	generation uint64    // of the permissions the grant was made from
	expires    time.Time // when the client will be asked for new credentials; zero: never
	due        uint32    // tick at which expires is looked at
	challenged bool      // the client was asked and has until due
	failures   uint8     // renewals that failed

	renewing bool                // a goroutine checks new credentials
	next     *codec.AuthResponse // what came meanwhile; the latest counts
}

// accessOf is what a session needs the permission for. Messages that are given up
// are published in its client's name, so it must be allowed to; with
// [Options.DeadLettersFree] only if the client chose where. Where it did not, topics and
// subscription make the names of those topics, which are read as names here for the first time.
func (s *Server) accessOf(r *route.Request) auth.Access {
	a := auth.Access{Action: auth.Consume, Topics: r.Topics, Pattern: r.Pattern}
	switch r.Kind {
	case route.Producer:
		a.Action = auth.Produce
		return a
	case route.Reader:
		return a
	}
	spec := &r.Consumer
	a.Subscription = spec.Subscription
	usual := *spec
	usual.DeadLetterTopic = ""
	dead := spec.DeadLetterTopics()
	if len(dead) == 0 || s.set().deadLettersFree && slices.Equal(dead, usual.DeadLetterTopics()) {
		return a
	}
	names := make([]topic.Name, len(dead))
	for i, full := range dead {
		names[i], _ = topic.Parse(full) // the gate refuses one that is not valid
	}
	if spec.DeadLetterTopic == "" && spec.TopicsPattern != "" {
		a.DeadLetterPattern = &names[0]
	} else {
		a.DeadLetterTopics = names
	}
	return a
}

// admit finds out who the client is and whether it may have the session, and
// then asks the bridge for it. The caller holds mu. Signatures, password hashes
// and the admin API take their time, so it happens on a goroutine.
func (c *conn) admit(req *http.Request, r *route.Request) (cancel func()) {
	s, gate := c.s, c.s.o.Gate
	ctx, stop := context.WithTimeout(s.ctx, admitTimeout)
	shown, access, shownTopic := auth.FromUpgrade(req, c.remote().Addr()), s.accessOf(r), r.Topic()
	generation := gate.Generation()
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		defer stop()
		grant, err := gate.Admit(ctx, shown, access)
		c.mu.Lock()
		defer c.mu.Unlock()
		defer c.recoverSession()
		switch {
		case !c.state().Opens(): // the client has left
			if err == nil {
				gate.Release(grant)
			}
		case err != nil:
			no := s.authFailure(err)
			s.metrics.refused(no)
			s.tellLogin("session refused", no.Status, err, c.remote(), "kind", r.Kind.String(), "topic", shownTopic)
			c.sayNo(no)
		default:
			c.who = &standing{grant: grant, generation: generation}
			if grant.Told {
				r.SetPrincipal(grant.Role)
			}
			c.req.cancel = c.open(r)
		}
	}()
	return stop
}

// authFailure turns a refusal of the gate into an answer.
func (s *Server) authFailure(err error) *http1.Refusal {
	no := &auth.Refusal{Kind: auth.ErrUnknown, Reason: "no decision"}
	errors.As(err, &no)
	switch no.Kind {
	case auth.ErrUnauthenticated:
		answer := http1.Refused(http.StatusUnauthorized, "Failed to authenticate: "+no.Reason).Because("authentication")
		if challenge := s.o.Gate.Challenge(); challenge != "" {
			answer.Header = "WWW-Authenticate: " + challenge
		}
		return answer
	case auth.ErrForbidden:
		return http1.Refused(http.StatusForbidden, "Not authorized: "+no.Reason).Because("authorization")
	case auth.ErrTooManyRoles:
		return http1.OverLimit(limitRoles, http.StatusServiceUnavailable, "Too many roles: "+no.Reason)
	case auth.ErrTooMany:
		return http1.Refused(http.StatusTooManyRequests, "Failed to authenticate: "+no.Reason).Because(limitLogins)
	}
	return http1.Refused(http.StatusServiceUnavailable, "Cannot tell whether this is allowed: "+no.Reason).Because("undecided")
}

// tellLogin tells the operator of a client that was not let in, or whose new token
// was not taken (status 0), with more than the client is told, but no credentials.
func (s *Server) tellLogin(what string, status int, err error, remote netip.AddrPort, more ...any) {
	in := incident{what: what, code: status, reason: err.Error(), remote: remote, more: more}
	if no := (*auth.Refusal)(nil); errors.As(err, &no) {
		in.reason = no.Log()
	}
	switch {
	case errors.Is(err, auth.ErrTooMany):
		in.limit = limitLogins
	case errors.Is(err, auth.ErrTooManyRoles):
		in.limit = limitRoles
	}
	s.incidents.add(in)
}

// attachStanding takes up an open session's standing. The caller, a worker,
// holds mu.
func (w *worker) attachStanding(c *conn) {
	if c.who == nil {
		return
	}
	if w.s.o.Gate.Refresh() > 0 {
		c.who.expires = c.who.grant.Expires
		w.s.setExpiry(c.who)
	}
	if w.s.o.Gate.Generation() != c.who.generation {
		c.recheck()
	}
}

// setExpiry schedules the next look at a token's end.
func (s *Server) setExpiry(who *standing) {
	left := min(max(time.Until(who.expires), 0), farExpiry)
	who.due = s.now() + s.ticks(left)
}

// recheckAll looks for sessions that have lost their permission, once something
// has changed that they may depend on.
func (w *worker) recheckAll() {
	gate := w.s.o.Gate
	if gate == nil {
		return
	}
	if now := gate.Generation(); now != w.generation {
		w.generation = now
		w.wheel.All(func(c *conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.recheck()
			w.scheduleLocked(c)
		})
	}
}

// recheck ends the session if its client has lost the permission. The caller
// holds mu.
func (c *conn) recheck() {
	if c.who == nil || c.state().Stage() != life.Session {
		return
	}
	if no := c.s.o.Gate.Recheck(c.who.grant); no != nil {
		c.expel(codec.CodeAuthorize, no.Reason)
	}
}

// expel ends an open session whose client may not go on. The caller holds mu.
func (c *conn) expel(code codec.Code, reason string) {
	c.stop(life.Stop, closing{code: uint16(code.CloseCode()), reason: (&codec.Error{Code: code, Detail: reason}).CloseReason()})
}

// checkToken asks the client for a new token when its own has run out, and ends
// the session when none has come in time (PIP-292).
func (w *worker) checkToken(c *conn, now uint32) {
	c.mu.Lock()
	ask := w.tokenRanOut(c, now)
	c.mu.Unlock()
	if ask {
		w.out.reset(0)
		w.out.buf = ws.AppendFrame(w.out.buf, ws.OpText, codec.AppendAuthChallenge(nil))
		w.write(c, false)
	}
}

// tokenRanOut looks at the end of a token when it is due, and reports whether
// the client is to be asked for a new one. The caller holds mu.
func (w *worker) tokenRanOut(c *conn, now uint32) (ask bool) {
	who := c.who
	if who == nil || who.expires.IsZero() || c.state().Stage() != life.Session || int32(now-who.due) < 0 {
		return false
	}
	switch {
	case time.Now().Before(who.expires):
		w.s.setExpiry(who)
	case !who.challenged:
		who.challenged = true
		who.due = now + w.s.ticks(w.s.o.Gate.Refresh())
		return true
	case who.renewing: // an answer is here and being checked
		who.due = now + 1
	default:
		c.expel(codec.CodeAuthenticate, "the token has expired and was not renewed")
	}
	return false
}

// Renew implements [bridge.Renewer]. The caller handles input, and holds mu
// unless that is a costly message.
// One check is under way at a time; of what comes meanwhile the latest counts.
func (c *conn) Renew(r codec.AuthResponse) bool {
	if c.costly != nil { // which this goroutine has set
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	who := c.who
	if who == nil || c.s.o.Gate.Refresh() <= 0 {
		return false
	}
	if who.renewing {
		who.next = &r
		return true
	}
	if s := c.s; s.begin() {
		who.renewing = true
		go c.renew(who.grant, r)
	}
	return true
}

var _ bridge.Renewer = (*conn)(nil)

// begin counts a goroutine about to start; it reports false once Close waits
// for them.
func (s *Server) begin() bool {
	if s.ctx.Err() != nil {
		return false
	}
	s.handlers.Add(1)
	return true
}

func (c *conn) renew(grant *auth.Grant, r codec.AuthResponse) {
	s := c.s
	defer s.handlers.Done()
	for {
		ctx, stop := context.WithTimeout(s.ctx, admitTimeout)
		expires, err := s.o.Gate.Renew(ctx, grant, r.Method, r.Data, c.remote().Addr())
		stop()
		next := c.renewed(expires, err)
		if next == nil {
			return
		}
		r = *next
	}
}

// renewed takes the outcome of one renewal and returns what is to be checked next.
func (c *conn) renewed(expires time.Time, err error) (next *codec.AuthResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.who
	if c.state().Stage() != life.Session {
		return nil
	}
	if err != nil {
		c.s.tellLogin("new token refused", 0, err, c.remote(), "kind", c.kind.String())
		if !errors.Is(err, auth.ErrUnknown) { // else it is not the client's fault
			who.failures++
		}
		if who.failures >= maxRenewals {
			c.expel(codec.CodeAuthenticate, "too many tokens were refused")
			return nil
		}
	} else {
		who.expires, who.challenged, who.failures = expires, false, 0
		c.s.setExpiry(who)
		// The wheel's deadline may lie behind the new end: the worker has to move it.
		c.wake(wantFlush | wantLook)
	}
	next, who.next = who.next, nil
	who.renewing = next != nil
	return next
}

// guard lets a request pass that is no session if its client is allowed to: a
// super-user, or for one topic's statistics who may use the topic. As with the Java
// proxy all others get 401.
func (s *Server) guard(subject topic.Name, h http.HandlerFunc) http.HandlerFunc {
	if s.o.Gate == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.letPass(w, r, subject); ok {
			h(w, r)
		}
	}
}

// letPass is guard's decision; a request that may not pass is answered. role is a super-user's.
func (s *Server) letPass(w http.ResponseWriter, r *http.Request, subject topic.Name) (role string, ok bool) {
	gate, remote := s.o.Gate, s.remoteOfRequest(r)
	shown := auth.FromHTTP(r, remote.Addr())
	var err error
	if subject.String() == "" {
		role, err = gate.AdmitSuperUser(r.Context(), shown)
	} else {
		err = gate.AdmitViewer(r.Context(), shown, subject)
	}
	if err == nil {
		return role, true
	}
	no := s.authFailure(err)
	if no.Status == http.StatusForbidden {
		no.Status = http.StatusUnauthorized
	}
	s.tellLogin("request refused", no.Status, err, remote, "path", r.URL.EscapedPath())
	if rec, ok := w.(*http1.Recorder); ok {
		rec.Told = true
	}
	if no.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", gate.Challenge())
	}
	http1.WriteReason(w, no.Status, no.Reason)
	return "", false
}

// remoteOfRequest is the address of who sent a request that is no session.
func (s *Server) remoteOfRequest(r *http.Request) netip.AddrPort {
	remote, _ := netip.ParseAddrPort(r.RemoteAddr) // our own text
	if s.o.TrustForwardedFor {
		remote = forwardedFor(r.Header, remote)
	}
	return remote
}
