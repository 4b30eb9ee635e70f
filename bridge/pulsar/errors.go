package pulsar

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// codeKinds are the kinds of what brokers answer. What is not here is told by its text.
var codeKinds = map[wire.ServerError]error{
	wire.AuthenticationError:                   bridge.ErrUnauthorized,
	wire.AuthorizationError:                    bridge.ErrForbidden,
	wire.ConsumerBusy:                          bridge.ErrBusy,
	wire.ProducerBusy:                          bridge.ErrBusy,
	wire.ProducerFenced:                        bridge.ErrFenced,
	wire.ProducerBlockedQuotaExceededError:     bridge.ErrBacklogQuota,
	wire.ProducerBlockedQuotaExceededException: bridge.ErrBacklogQuota,
	wire.TopicTerminatedError:                  bridge.ErrTerminated,
	wire.TopicNotFound:                         bridge.ErrNotFound,
	wire.SubscriptionNotFound:                  bridge.ErrNotFound,
	wire.ConsumerNotFound:                      bridge.ErrNotFound,
	wire.IncompatibleSchema:                    bridge.ErrSchema,
	wire.TooManyRequests:                       bridge.ErrTooMany,
	wire.InvalidTopicName:                      bridge.ErrInvalid,
	wire.ServiceNotReady:                       bridge.ErrUnavailable,
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
	{"subscription with the same name already exists", bridge.ErrBusy}, // of the other durability
	{"Cannot create producer on topic with backlog quota exceeded", bridge.ErrBacklogQuota},
	{"Connection refused", bridge.ErrUnavailable},
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
	{client.ErrTooManyPrincipals, bridge.ErrTooManyRoles},
	{client.ErrConnection, bridge.ErrUnavailable},
}

// kindOf finds the kind of an error, nil if it has none.
func kindOf(err error) error {
	var known *bridge.Error
	if errors.As(err, &known) {
		return known.Kind
	}
	for _, own := range ownKinds {
		if errors.Is(err, own.err) {
			return own.kind
		}
	}
	var e *client.Error
	if !errors.As(err, &e) {
		return nil
	}
	if kind := codeKinds[e.Code]; kind != nil {
		return kind
	}
	for _, m := range metadataTexts {
		if strings.Contains(e.Message, m.text) {
			return m.kind
		}
	}
	if e.Code == wire.NotAllowedError {
		return bridge.ErrInvalid
	}
	return nil
}

// wrap makes an error of the client one of the bridge's. what says
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
	if first, _, more := strings.Cut(s, "\n"); more {
		s = first
	}
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "..."
	}
	return s
}
