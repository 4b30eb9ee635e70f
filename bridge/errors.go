package bridge

import (
	"errors"

	"github.com/pulsegate/pulsegate/codec"
)

// The kinds of upstream failure that callers decide on. An [*Error] wraps one
// of them; test with errors.Is.
var (
	ErrInvalid       = errors.New("invalid request")
	ErrNotFound      = errors.New("not found")
	ErrBusy          = errors.New("already connected")
	ErrFenced        = errors.New("producer fenced")
	ErrSchema        = errors.New("incompatible schema")
	ErrTooMany       = errors.New("too many requests")
	ErrTerminated    = errors.New("topic terminated")
	ErrBacklogQuota  = errors.New("backlog quota exceeded")
	ErrTimeout       = errors.New("broker did not answer in time")
	ErrUnavailable   = errors.New("broker unreachable")
	ErrUnauthorized  = errors.New("failed to authenticate")
	ErrForbidden     = errors.New("not authorized")
	ErrQueueFull     = errors.New("producer queue is full")
	ErrClosed        = errors.New("closed")
	ErrMemoryFull    = errors.New("memory limit reached")
	ErrTooManyRoles  = errors.New("too many roles")
	ErrTooBig        = errors.New("message too big")
	ErrSubscriptions = errors.New("subscription has other consumers")
)

// Error is a failure of the upstream: a kind to decide on and the cause to read.
type Error struct {
	// Kind is one of the package's sentinel errors.
	Kind error
	// Detail is one line for the client and the log. It names the topic or
	// parameter at fault and holds no secret.
	Detail string
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Kind.Error()
	}
	return e.Kind.Error() + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Kind }

// CodeOf is the code of what ends a session, or fails a publish.
func CodeOf(err error) codec.Code {
	switch {
	case errors.Is(err, ErrForbidden):
		return codec.CodeAuthorize
	case errors.Is(err, ErrUnauthorized):
		return codec.CodeAuthenticate
	}
	return codec.CodeUnknown
}
