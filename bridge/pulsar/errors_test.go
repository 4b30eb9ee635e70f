package pulsar

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

func TestWrapFindsTheKind(t *testing.T) {
	for cause, want := range map[error]error{
		&client.Error{Code: wire.ConsumerBusy, Message: "Exclusive consumer is already connected"}:     bridge.ErrBusy,
		&client.Error{Code: wire.ProducerBusy, Message: "Producer x"}:                                  bridge.ErrBusy,
		&client.Error{Code: wire.ProducerBlockedQuotaExceededError}:                                    bridge.ErrBacklogQuota,
		&client.Error{Code: wire.AuthorizationError}:                                                   bridge.ErrForbidden,
		&client.Error{Code: wire.AuthenticationError}:                                                  bridge.ErrUnauthorized,
		&client.Error{Code: wire.IncompatibleSchema}:                                                   bridge.ErrSchema,
		&client.Error{Code: wire.TooManyRequests}:                                                      bridge.ErrTooMany,
		&client.Error{Code: wire.ServiceNotReady, Message: "Namespace bundle is being unloaded"}:       bridge.ErrUnavailable,
		&client.Error{Code: wire.UnknownError, Message: "Subscription has active connected consumers"}: bridge.ErrSubscriptions,
		client.ErrQueueFull:                         bridge.ErrQueueFull,
		client.ErrMemoryFull:                        bridge.ErrMemoryFull,
		client.ErrTooBig:                            bridge.ErrTooBig,
		client.ErrTooMany:                           bridge.ErrTooMany,
		client.ErrClosed:                            bridge.ErrClosed,
		fmt.Errorf("host:1: %w", client.ErrTimeout): bridge.ErrTimeout,
		fmt.Errorf("%w: host:1: %w", client.ErrConnection, io.EOF):                                                    bridge.ErrUnavailable,
		fmt.Errorf("%w: host:1: %w", client.ErrConnection, client.ErrClosed):                                          bridge.ErrClosed,
		&client.Error{Code: wire.NotAllowedError, Message: "Durable subscription with the same name already exists."}: bridge.ErrBusy,
		&client.Error{Code: wire.NotAllowedError, Message: "Exceed maximum message size"}:                             bridge.ErrInvalid,
		&client.Error{Code: wire.TopicTerminatedError}:                                                                bridge.ErrTerminated,
		&client.Error{Code: wire.ProducerFenced}:                                                                      bridge.ErrFenced,
		&client.Error{Code: wire.ProducerBlockedQuotaExceededException}:                                               bridge.ErrBacklogQuota,
		&client.Error{Code: wire.TopicNotFound, Message: "no such topic"}:                                             bridge.ErrNotFound,
		&client.Error{Code: wire.MetadataError, Message: "Policies not found for a/b namespace"}:                      bridge.ErrNotFound,
		&client.Error{Code: wire.UnknownError, Message: "NotFoundException: Namespace not found x"}:                   bridge.ErrNotFound,
	} {
		err := wrap("publish to t", cause)
		if !errors.Is(err, want) {
			t.Errorf("%q is %v, want kind %v", cause, err, want)
		}
		if !strings.HasPrefix(strings.TrimPrefix(err.Error(), want.Error()+": "), "publish to t: ") {
			t.Errorf("%q does not say what was being done", err)
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
}
