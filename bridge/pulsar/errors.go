package pulsar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// serverErrors are the names of Pulsar's ServerError (PulsarApi.proto) that the
// client library leaves in the text of its errors, with the kind of each. A
// name that holds another one comes first.
var serverErrors = []struct {
	name string
	kind error
}{
	{"AuthenticationError", bridge.ErrUnauthorized},
	{"AuthorizationError", bridge.ErrForbidden},
	{"ConsumerBusy", bridge.ErrBusy},
	{"ProducerBusy", bridge.ErrBusy},
	{"ProducerFenced", bridge.ErrFenced},
	{"ProducerBlockedQuotaExceededError", bridge.ErrBacklogQuota},
	{"ProducerBlockedQuotaExceededException", bridge.ErrBacklogQuota},
	{"TopicTerminated", bridge.ErrTerminated},
	{"TopicNotFound", bridge.ErrNotFound},
	{"SubscriptionNotFound", bridge.ErrNotFound},
	{"ConsumerNotFound", bridge.ErrNotFound},
	{"IncompatibleSchema", bridge.ErrSchema},
	{"TooManyRequests", bridge.ErrTooMany},
	{"InvalidTopicName", bridge.ErrInvalid},
	{"ServiceNotReady", bridge.ErrUnavailable},
}

// metadataTexts are what a broker adds to errors of no telling kind.
var metadataTexts = []struct {
	text string
	kind error
}{
	{"does not exist", bridge.ErrNotFound},
	{"not found", bridge.ErrNotFound},
	{"NotFoundException", bridge.ErrNotFound},
	{"shared consumer attempting to unsubscribe", bridge.ErrSubscriptions},
	{"active connected consumers", bridge.ErrSubscriptions},
	{"already connected", bridge.ErrBusy},
	{"Cannot create producer on topic with backlog quota exceeded", bridge.ErrBacklogQuota},
	{"Connection refused", bridge.ErrUnavailable},
}

// resultKinds are the kinds of the client library's own error results.
var resultKinds = map[pulsar.Result]error{
	pulsar.TimeoutError:         bridge.ErrTimeout,
	pulsar.InvalidTopicName:     bridge.ErrInvalid,
	pulsar.InvalidConfiguration: bridge.ErrInvalid,
	pulsar.ConsumerClosed:       bridge.ErrClosed,
	pulsar.AlreadyClosedError:   bridge.ErrClosed,
	pulsar.TopicNotFound:        bridge.ErrNotFound,
	pulsar.TopicTerminated:      bridge.ErrTerminated,
	pulsar.SchemaFailure:        bridge.ErrSchema,
	pulsar.ConsumerBusy:         bridge.ErrBusy,
	pulsar.AuthenticationError:  bridge.ErrUnauthorized,
	pulsar.AuthorizationError:   bridge.ErrForbidden,
}

// ownKinds are the kinds of what our own client says by itself. One that another may be
// wrapped with comes later.
var ownKinds = []struct{ err, kind error }{
	{client.ErrClosed, bridge.ErrClosed},
	{client.ErrTimeout, bridge.ErrTimeout},
	{client.ErrQueueFull, bridge.ErrQueueFull},
	{client.ErrMemoryFull, bridge.ErrMemoryFull},
	{client.ErrTooBig, bridge.ErrTooBig},
	{client.ErrTooMany, bridge.ErrTooMany},
	{client.ErrConnection, bridge.ErrUnavailable},
}

func kindOfOwn(err error) error {
	for _, own := range ownKinds {
		if errors.Is(err, own.err) {
			return own.kind
		}
	}
	var e *client.Error
	if errors.As(err, &e) && e.Code == wire.NotAllowedError {
		return bridge.ErrInvalid
	}
	return nil
}

// kindOf finds the kind of an error, nil if it has none.
func kindOf(err error) error {
	var known *bridge.Error
	if errors.As(err, &known) {
		return known.Kind
	}
	if kind := kindOfOwn(err); kind != nil {
		return kind
	}
	text := err.Error()
	for _, s := range serverErrors {
		if strings.Contains(text, s.name) {
			return s.kind
		}
	}
	for _, m := range metadataTexts {
		if strings.Contains(text, m.text) {
			return m.kind
		}
	}
	var own *pulsar.Error
	if errors.As(err, &own) {
		if kind := resultKinds[own.Result()]; kind != nil {
			return kind
		}
	}
	switch {
	case strings.Contains(text, "connection error"), strings.Contains(text, "con closed"), strings.Contains(text, "connection closed"),
		strings.Contains(text, "connection refused"), strings.Contains(text, "no such host"):
		// A lookup that was retried until its time was up ends with both this
		// and a deadline; the connection is the cause.
		return bridge.ErrUnavailable
	case strings.Contains(text, "request timed out"), errors.Is(err, context.DeadlineExceeded):
		return bridge.ErrTimeout
	}
	return nil
}

// wrap makes an error of the client library one of the bridge's. what says
// what was being done, and to which topic. An error without a kind stays one without.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	detail := what + ": " + oneLine(err.Error())
	kind := kindOf(err)
	if kind == nil {
		return fmt.Errorf("%s", detail)
	}
	return &bridge.Error{Kind: kind, Detail: detail}
}

// maxDetail bounds what is kept of a broker's text, which may hold a Java stack.
const maxDetail = 300

// oneLine is the first line of a text, of reasonable length.
func oneLine(s string) string {
	if first, rest, more := strings.Cut(s, "\n"); more {
		// errors.Join puts "context deadline exceeded" before what happened.
		if strings.HasPrefix(first, "context ") {
			return oneLine(rest)
		}
		s = first
	}
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "..."
	}
	return s
}
