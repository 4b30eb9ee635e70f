package bridge

import (
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

// Outlet is what the bridge knows of a session's socket. Its methods may be
// called from any goroutine, also before the session's Open call has returned and
// shortly after it was closed; they never block and never call back into the session.
type Outlet interface {
	// Wake says that Fill has something to write. Calls are coalesced: after it,
	// Fill runs at least once on a goroutine of the outlet's owner, even if the
	// output has no room just then.
	Wake()

	// Resume says that a session that was Full takes frames again.
	Resume()

	// End asks for the session to be closed with an error code and a reason of
	// at most 120 bytes. What was written before is sent first.
	End(code codec.Code, reason string)

	// RemoteAddr is the client's address, for the statistics.
	RemoteAddr() string
}

// Renewer is an [Outlet] whose client may have to renew its credentials during
// the session (PIP-292).
type Renewer interface {
	// Renew takes credentials that the client sent, from within [Session.Handle].
	// It never blocks. It reports false when there is nothing to renew.
	Renew(codec.AuthResponse) bool
}

// Renew hands credentials to a session's outlet. It reports false where there is nothing to renew.
func Renew(out Outlet, r codec.AuthResponse) bool {
	renewer, ok := out.(Renewer)
	return ok && renewer.Renew(r)
}

// Session is one attached client. Its methods do not block.
type Session interface {
	// Handle takes one message of the client. The bytes are valid only during
	// the call. Calls come one at a time. An error is a *codec.Error and means: close the
	// session with its code.
	Handle(frame []byte) error

	// Full reports that the session takes no more frames for now: the caller
	// stops reading its socket until [Outlet.Resume]. To lose no wake-up, the
	// caller notes that it has stopped and then asks once more.
	Full() bool

	// Fill writes frames while w has room. Calls come one at a time, and may run
	// beside Handle. If it returned because there was no room, it is called again
	// without a Wake when there is.
	Fill(w Writer)

	// InFlight counts publishes whose answer is not written yet, for draining.
	InFlight() int

	// Describe fills in what an operator is told of the session. It may run beside all other methods.
	Describe(i *SessionInfo)

	// Close detaches the session: the client is gone. Unacknowledged messages
	// are given back at once. It may be called several times.
	Close()
}

// Turner is a [Session] that may put off what follows from the messages of one turn of input, to do it for all of them
// at once. Both methods are called by who calls Handle, never beside it, and the second follows unless Handle has panicked.
type Turner interface {
	// BeginTurn says that Handle is about to be called, perhaps several times.
	BeginTurn()
	// EndTurn says that no more messages are at hand. The session may be Full now.
	EndTurn()
}

// Counted is a [Session] that consumes or reads, as the census knows it.
type Counted interface {
	// Counted is what the session is, and who knows its client's address. It takes no lock.
	Counted() (SessionKind, Outlet)
}

// SessionKind is what a session that consumes or reads is, for its whole life.
type SessionKind struct {
	Subscription string // "" for a reader
	Type         SubscriptionType
	NonDurable   bool
	Reader       bool
}

// Writer collects a session's output. It is valid only during [Session.Fill].
type Writer interface {
	// Room reports whether the output takes another frame now.
	Room() bool

	// Now is the time at which what is added is written, as [latency.Now] has it. It may be a reading from a
	// little before, as many sessions are filled in a row.
	Now() time.Duration

	// Append adds one text message: add appends its JSON to dst and returns the
	// result, as append does. add must not keep dst.
	Append(add func(dst []byte) []byte)

	// Shared adds a frame that was encoded once for many sessions. The frame
	// is not changed by anyone.
	Shared(f *ws.Frame)
}
