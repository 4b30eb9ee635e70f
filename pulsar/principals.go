package pulsar

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// ErrTooManyPrincipals says that connections are used on behalf of as many principals as may be, see [Options.MaxPrincipals].
var ErrTooManyPrincipals = errors.New("connections on behalf of too many roles are in use")

// WebSocketPrincipal is what Pulsar's own WebSocket proxy says in the place of a principal, from 4.0.7 on: brokers then look at the login's role alone. So
// nobody may be called that.
const WebSocketPrincipal = "__websocket_dummy_original_principle"

// Credentials are what somebody has shown to prove its role, for brokers that want to see for themselves.
type Credentials struct {
	Method  string    // of the login, such as token or basic
	Data    string    // as a client of that login puts it into CONNECT; "": there is nothing to hand on. Never logged
	Expires time.Time // zero: never
}

// outlast reports that what was shown before is worth more than what comes now.
func (k *Credentials) outlast(now *Credentials) bool {
	switch {
	case k.Data == "":
		return false
	case now.Data == "":
		return true
	case now.Expires.IsZero():
		return false
	}
	return k.Expires.IsZero() || k.Expires.After(now.Expires)
}

// principals are the roles on whose behalf connections are opened while the login is a proxy's own. Each has connections of
// its own, as a broker asks about a connection once, when it is opened, whose it is. Those of one that nobody uses
// are closed after a while, or when their place is needed.
type principals struct {
	client *Client

	mu  sync.Mutex // guards what follows, and conn.shown; pool.mu and alarms.mu may be taken with it
	all map[string]*principal
}

// principal is one of them, with all that is known of it.
type principal struct {
	name    string
	users   int   // producers, consumers, questions, and who holds it; while there is one it stays
	idle    alarm // nobody has used it for a while
	login   Credentials
	refused bool           // by a broker; others take its place then, whatever they are
	asked   map[*conn]bool // the brokers of these want other credentials than those; nil: none does
}

// enter notes one more user. It fails when there are too many principals.
func (s *principals) enter(name string) error {
	switch name {
	case "":
		return nil
	case WebSocketPrincipal:
		return &Error{wire.AuthorizationError, "brokers would take the role " + name + " for the proxy's own"}
	}
	s.mu.Lock()
	p := s.all[name]
	var unused []*conn
	if p == nil {
		unused = s.makeRoomLocked()
		if len(s.all) >= s.client.o.MaxPrincipals {
			s.mu.Unlock()
			return fmt.Errorf("%w: %d", ErrTooManyPrincipals, s.client.o.MaxPrincipals)
		}
		p = &principal{name: name}
		p.idle.ring = func() { s.expire(p) }
		s.all[name] = p
	}
	p.users++
	s.client.alarms.clear(&p.idle)
	s.mu.Unlock()
	closeUnused(unused)
	return nil
}

// Principals tells on behalf of how many principals connections are used, and how many there may be, see [Options.MaxPrincipals].
func (c *Client) Principals() (used, most int) {
	c.principals.mu.Lock()
	defer c.principals.mu.Unlock()
	for _, p := range c.principals.all {
		if p.users > 0 {
			used++
		}
	}
	return used, c.o.MaxPrincipals
}

// leave notes one user less.
func (s *principals) leave(name string) {
	if name == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.all[name]
	if p.users--; p.users == 0 {
		s.client.alarms.set(&p.idle, s.client.o.PrincipalIdle)
	}
}

// makeRoomLocked gives up a principal that nobody uses, if there are as many as may be. It returns the connections to be closed.
func (s *principals) makeRoomLocked() []*conn {
	if len(s.all) < s.client.o.MaxPrincipals {
		return nil
	}
	for _, p := range s.all {
		if p.users == 0 {
			return s.removeLocked(p)
		}
	}
	return nil
}

// removeLocked forgets a principal that has no user. Nobody gets its connections any more.
func (s *principals) removeLocked(p *principal) []*conn {
	delete(s.all, p.name)
	s.client.alarms.clear(&p.idle)
	return s.client.pool.take(p.name)
}

// expire is the alarm of a principal that nobody uses.
func (s *principals) expire(p *principal) {
	s.mu.Lock()
	var unused []*conn
	if p.users == 0 && s.all[p.name] == p {
		unused = s.removeLocked(p)
	}
	s.mu.Unlock()
	closeUnused(unused)
}

// errRenewed is about a connection that was being opened with credentials in whose place others have come: who waits for it tries again.
var errRenewed = errors.New("the credentials that a broker refused have been renewed meanwhile")

var errUnused = fmt.Errorf("%w: nobody uses it", ErrClosed)

func closeUnused(list []*conn) {
	for _, c := range list {
		c.fail(errUnused)
	}
}

// Hold says that somebody is there whose role is principal and who has shown k, which the caller has checked. Until Release the
// connections on that behalf stay, and brokers are given k when one is opened and when what they were given has run out. Of several the one
// that lasts longest counts. It fails with [ErrTooManyPrincipals], or is followed by one Release.
func (c *Client) Hold(principal string, k Credentials) error {
	err := c.principals.enter(principal)
	if err == nil {
		c.Renew(principal, k)
	}
	return err
}

// Release is the end of a Hold.
func (c *Client) Release(principal string) { c.principals.leave(principal) }

// Renew says that somebody who is held has shown other credentials.
func (c *Client) Renew(principal string, k Credentials) {
	s := &c.principals
	s.mu.Lock()
	var asked map[*conn]bool
	switch p := s.all[principal]; {
	case p == nil:
	case p.login.Method == k.Method && p.login.Data == k.Data:
		p.refused = false
	case p.refused || !p.login.outlast(&k):
		p.login, p.refused = k, false
		asked, p.asked = p.asked, nil
		for c := range asked {
			c.shown = k.Data
		}
	}
	s.mu.Unlock()
	for c := range asked {
		c.command(k.response())
	}
}

// response is the answer to a broker that asks for them.
func (k *Credentials) response() wire.Command {
	return &wire.AuthResponse{
		ClientVersion: clientVersion, ProtocolVersion: wire.Version,
		Response: wire.AuthData{AuthMethodName: k.Method, AuthData: []byte(k.Data)},
	}
}

// introduce says in CONNECT on whose behalf the connection is.
func (s *principals) introduce(c *conn, hello *wire.Connect) {
	hello.OriginalPrincipal = c.principal
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.all[c.principal]; p != nil {
		hello.OriginalAuthMethod, hello.OriginalAuthData = p.login.Method, p.login.Data
		c.shown = p.login.Data
	}
}

// challenged answers an AUTH_CHALLENGE on a connection that is up: where a broker was given a principal's credentials it means
// those. If they are still the newest, it has to wait for others; it closes the connection when that
// takes too long. It reports false if the broker means the login.
func (s *principals) challenged(c *conn) bool {
	s.mu.Lock()
	p := s.all[c.principal]
	if p == nil || c.shown == "" {
		s.mu.Unlock()
		return false
	}
	if p.login.Data == c.shown {
		if p.asked == nil {
			p.asked = map[*conn]bool{}
		}
		p.asked[c] = true
		s.mu.Unlock()
		return true
	}
	k := p.login
	c.shown = k.Data
	s.mu.Unlock()
	c.command(k.response())
	return true
}

// refused is why a broker does not take a connection.
func (s *principals) refused(c *conn, cmd *wire.Error) error {
	text := cmd.Message
	switch cmd.Error {
	case wire.AuthenticationError:
		s.mu.Lock()
		p := s.all[c.principal]
		newer := p != nil && p.login.Data != c.shown
		if p != nil && !newer {
			p.refused = true
		}
		s.mu.Unlock()
		if newer {
			return errRenewed
		}
	case wire.AuthorizationError: // it says no more than "Invalid roles."
		text += " Of the broker's proxyRoles the login's role has to be one, and the client's may be none"
	}
	return brokerError(cmd.Error, text)
}

// lost notes that a connection is dead.
func (s *principals) lost(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.all[c.principal]; p != nil {
		delete(p.asked, c)
	}
}
