package pulsar

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// Errors of the client itself. What a broker says is an [*Error].
var (
	// ErrQueueFull: the producer has as many unanswered messages as it may.
	ErrQueueFull = errors.New("the producer's queue is full")
	// ErrMemoryFull: the client has as many unanswered bytes as it may.
	ErrMemoryFull = errors.New("too many bytes are on their way to the brokers")
	// ErrTooBig: a message is larger than the broker takes.
	ErrTooBig = errors.New("the message is too big")
	// ErrTimeout: no answer came in time. What was asked for may have been done.
	ErrTimeout = errors.New("not answered in time")
	// ErrClosed: the client or the producer is closed.
	ErrClosed = errors.New("closed")
	// ErrConnection: a connection could not be opened, or was lost.
	ErrConnection = errors.New("no connection to the broker")
	// ErrTooMany: the client has as many unanswered requests as it may.
	ErrTooMany = errors.New("too many requests to the broker are unanswered")
)

// Error is what a broker answered instead of doing what it was asked for.
type Error struct {
	Code    wire.ServerError
	Message string // its first line, of reasonable length
}

func (e *Error) Error() string { return fmt.Sprintf("broker: %s: %s", e.Code, e.Message) }

// maxMessage bounds what is kept of a broker's text, which may hold a Java stack.
const maxMessage = 300

func brokerError(code wire.ServerError, text string) *Error {
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return &Error{code, text}
}

// code is the broker's code in err.
func code(err error) (wire.ServerError, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Code, true
	}
	return 0, false
}

// isFinal reports that a producer cannot be had (again), however often it is tried:
// what was wrong will not pass by itself.
func isFinal(err error) bool {
	c, ok := code(err)
	if !ok {
		return errors.Is(err, ErrClosed)
	}
	switch c {
	case wire.TopicTerminatedError, wire.ProducerFenced, wire.TopicNotFound:
		return true
	}
	return false
}

// partitionGone turns into TopicNotFound what brokers say, once a producer was open, of a partition that its topic no longer
// has: that the topic is not there (Pulsar from 4.2 on; older ones make the partition anew), or has fewer partitions now. They
// use NotAllowedError, which stands for much else. Other errors are returned as they are.
func partitionGone(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Code == wire.NotAllowedError &&
		(strings.Contains(e.Message, "Partition metadata not found") || strings.Contains(e.Message, "Illegal topic partition name")) {
		return &Error{wire.TopicNotFound, e.Message}
	}
	return err
}

// isDenied reports that a broker does not let somebody do what he asks for.
func isDenied(err error) bool {
	c, _ := code(err)
	return c == wire.AuthenticationError || c == wire.AuthorizationError
}

// encryptionRequired is in what brokers say to a producer that does not encrypt where it must. They have no
// code of its own for that.
const encryptionRequired = "Encryption is required"

// namespaceMissing reports that brokers before 2.11 mean TopicNotFound, which they say only of topics. What they are asked for in a
// namespace that there is not they refuse with the error that also stands for trouble with their metadata.
func namespaceMissing(e *Error) bool {
	return e.Code == wire.MetadataError && (strings.Contains(e.Message, "Namespace not found") || strings.Contains(e.Message, "Policies not found"))
}

// isRefusal reports that a producer cannot be created. What passes soon is tried again.
func isRefusal(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return errors.Is(err, ErrClosed)
	}
	switch e.Code {
	case wire.ServiceNotReady, wire.TooManyRequests:
		return false
	case wire.MetadataError:
		return strings.Contains(e.Message, encryptionRequired) || namespaceMissing(e)
	}
	return true
}
