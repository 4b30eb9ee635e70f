package pulsar

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Reason is why there is no connection to a broker, in one of few words.
type Reason uint8

// The reasons.
const (
	ReasonOther       Reason = iota
	ReasonName               // the broker's name does not resolve
	ReasonUnreachable        // nothing listens there, or no way leads there
	ReasonTimeout            // nothing came in time
	ReasonTLS                // certificates, or another fault of TLS
	ReasonLogin              // what to log in with cannot be had
	ReasonDenied             // the broker does not take the login
	ReasonBroker             // the broker answered with another error
	ReasonClosed             // the broker, or what is between, closed the connection
	reasons
)

var reasonWords = [reasons]string{"other", "name", "unreachable", "timeout", "tls", "login", "denied", "broker", "closed"}

// String is the word.
func (r Reason) String() string { return reasonWords[r] }

// Reasons counts by [Reason].
type Reasons [reasons]uint64

// Sum is all of them.
func (r *Reasons) Sum() (n uint64) {
	for _, of := range r {
		n += of
	}
	return n
}

var (
	errTLS    = errors.New("TLS")
	errLogin  = errors.New("login")
	errSilent = errors.New("nothing came")
)

// reasonOf finds the reason for which a connection could not be opened, or was lost.
func reasonOf(err error) Reason {
	if _, ok := code(err); ok {
		if isDenied(err) {
			return ReasonDenied
		}
		return ReasonBroker
	}
	var (
		name    *net.DNSError
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		op      *net.OpError
		timeout net.Error
	)
	isOp := errors.As(err, &op)
	switch {
	case errors.Is(err, errLogin):
		return ReasonLogin
	case errors.Is(err, errTLS), errors.As(err, &record), errors.As(err, &verify), isOp && (op.Op == "remote error" || op.Op == "local error"):
		return ReasonTLS // the latter are alerts
	case errors.As(err, &name):
		return ReasonName
	case errors.Is(err, errSilent), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout
	case isOp && op.Op == "dial":
		return ReasonUnreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonClosed
	}
	return ReasonOther
}
