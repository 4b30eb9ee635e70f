package pulsar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

func TestWrapFindsTheKind(t *testing.T) {
	for text, want := range map[string]error{
		"server error: ConsumerBusy: Exclusive consumer is already connected":                                              bridge.ErrBusy,
		"server error: ProducerBusy: org.apache.pulsar.broker.service.BrokerServiceException$NamingException: Producer x":  bridge.ErrBusy,
		"server error: ProducerFenced: producer has been fenced":                                                           bridge.ErrFenced,
		"server error: TopicTerminatedError: Topic was already terminated":                                                 bridge.ErrTerminated,
		"server error: ProducerBlockedQuotaExceededError: Cannot create producer on topic with backlog quota exceeded":     bridge.ErrBacklogQuota,
		"server error: ProducerBlockedQuotaExceededException: Cannot create producer on topic with backlog quota exceeded": bridge.ErrBacklogQuota,
		"server error: TopicNotFound: Topic does not exist":                                                                bridge.ErrNotFound,
		"server error: AuthorizationError: Proxy Client is not authorized to Get Partition Metadata":                       bridge.ErrForbidden,
		"server error: AuthenticationError: Unable to authenticate":                                                        bridge.ErrUnauthorized,
		"server error: IncompatibleSchema: Trying to subscribe with incompatible schema":                                   bridge.ErrSchema,
		"server error: TooManyRequests: reached max concurrent":                                                            bridge.ErrTooMany,
		"server error: ServiceNotReady: Namespace bundle is being unloaded":                                                bridge.ErrUnavailable,
		"connection error":                                  bridge.ErrUnavailable,
		"connection closed":                                 bridge.ErrUnavailable,
		"unable add consumer handler when con closed":       bridge.ErrUnavailable,
		"dial tcp 127.0.0.1:1: connect: connection refused": bridge.ErrUnavailable,
		"request timed out":                                 bridge.ErrTimeout,
		"server error: UnknownError: Subscription has active connected consumers": bridge.ErrSubscriptions,
	} {
		err := wrap("subscribe s to t", errors.New(text))
		if !errors.Is(err, want) {
			t.Errorf("%q is %v, want kind %v", text, err, want)
		}
		if !strings.HasPrefix(strings.TrimPrefix(err.Error(), want.Error()+": "), "subscribe s to t: ") {
			t.Errorf("%q does not say what was being done", err)
		}
	}
	for cause, want := range map[error]error{
		errors.Join(pulsar.ErrTopicTerminated, errors.New("server error: TopicTerminatedError: x")): bridge.ErrTerminated,
		errors.Join(context.DeadlineExceeded, errors.New("connection error")):                       bridge.ErrUnavailable,
		context.DeadlineExceeded: bridge.ErrTimeout,

		client.ErrQueueFull:                         bridge.ErrQueueFull,
		client.ErrMemoryFull:                        bridge.ErrMemoryFull,
		client.ErrTooBig:                            bridge.ErrTooBig,
		client.ErrTooMany:                           bridge.ErrTooMany,
		client.ErrClosed:                            bridge.ErrClosed,
		fmt.Errorf("host:1: %w", client.ErrTimeout): bridge.ErrTimeout,
		fmt.Errorf("%w: host:1: %w", client.ErrConnection, io.EOF):                                  bridge.ErrUnavailable,
		fmt.Errorf("%w: host:1: %w", client.ErrConnection, client.ErrClosed):                        bridge.ErrClosed,
		&client.Error{Code: wire.NotAllowedError, Message: "Exceed maximum message size"}:           bridge.ErrInvalid,
		&client.Error{Code: wire.TopicTerminatedError}:                                              bridge.ErrTerminated,
		&client.Error{Code: wire.ProducerFenced}:                                                    bridge.ErrFenced,
		&client.Error{Code: wire.ProducerBlockedQuotaExceededException}:                             bridge.ErrBacklogQuota,
		&client.Error{Code: wire.TopicNotFound, Message: "no such topic"}:                           bridge.ErrNotFound,
		&client.Error{Code: wire.MetadataError, Message: "Policies not found for a/b namespace"}:    bridge.ErrNotFound,
		&client.Error{Code: wire.UnknownError, Message: "NotFoundException: Namespace not found x"}: bridge.ErrNotFound,
	} {
		if err := wrap("publish to t", cause); !errors.Is(err, want) {
			t.Errorf("%q is %v, want kind %v", cause, err, want)
		}
	}
}

func TestWrapWithoutAKind(t *testing.T) {
	var known *bridge.Error
	if err := wrap("do", errors.New("something else")); errors.As(err, &known) || err.Error() != "do: something else" {
		t.Errorf("got %v", err)
	}
	if wrap("do", nil) != nil {
		t.Error("no error became one")
	}
}

func TestDetailIsOneShortLine(t *testing.T) {
	err := wrap("do", errors.New("java.lang.Exception: "+strings.Repeat("\u00fc", 400)+"\n\tat a.b.c(D.java:1)"))
	if text := err.Error(); strings.Contains(text, "\n") || len(text) > maxDetail+10 || !strings.HasPrefix(text, "do: java.lang") {
		t.Errorf("got %q", text)
	}
	if got := oneLine("context deadline exceeded\nconnection error"); got != "connection error" {
		t.Errorf("got %q", got)
	}
}
