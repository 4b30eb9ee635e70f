package auth

import (
	"errors"
	"fmt"
)

// The kinds of a [Refusal], to be tested with errors.Is.
var (
	// ErrUnauthenticated: the client has not shown who it is.
	ErrUnauthenticated = errors.New("failed to authenticate")
	// ErrForbidden: the client's role may not do what it asks for.
	ErrForbidden = errors.New("not authorized")
	// ErrUnknown: it cannot be determined now.
	ErrUnknown = errors.New("it cannot be determined now")
	// ErrTooManyRoles: clients of as many roles as may be are there.
	ErrTooManyRoles = errors.New("too many roles")
	// ErrTooMany: this login failed, as did too many from the client's address before.
	ErrTooMany = errors.New("too many failed logins")
)

// Refusal says why a client is not let in.
type Refusal struct {
	Kind error // one of the package's sentinel errors
	// Reason is one line that the client may read. It tells nothing about keys,
	// users or policies.
	Reason string
	// Cause is for the log: one line without secrets, "" when Reason says it all.
	Cause string

	forged bool // the credentials were never right: this may be someone who guesses
}

func (r *Refusal) Error() string { return r.Kind.Error() + ": " + r.Reason }

// Unwrap makes errors.Is find the kind.
func (r *Refusal) Unwrap() error { return r.Kind }

// Log is the line for the log.
func (r *Refusal) Log() string {
	if r.Cause == "" {
		return r.Reason
	}
	return r.Reason + " (" + r.Cause + ")"
}

func unauthenticated(reason, cause string) *Refusal {
	return &Refusal{Kind: ErrUnauthenticated, Reason: reason, Cause: cause}
}

func forged(reason, cause string) *Refusal {
	return &Refusal{Kind: ErrUnauthenticated, Reason: reason, Cause: cause, forged: true}
}

// SettingError is a fault in the configuration. It names the key, and never
// holds its value.
type SettingError struct {
	Key string
	Err error
}

func (e *SettingError) Error() string { return fmt.Sprintf("%s: %v", e.Key, e.Err) }

// Unwrap returns the fault itself.
func (e *SettingError) Unwrap() error { return e.Err }

func setting(key, format string, args ...any) error {
	return &SettingError{key, fmt.Errorf(format, args...)}
}
