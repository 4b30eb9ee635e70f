package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/route"
)

// errDraining refuses sessions while the server stops.
var errDraining = errors.New("the server is shutting down")

// openFailure turns the bridge's error into the answer to an upgrade.
func openFailure(kind route.Kind, err error) *http1.Refusal {
	reason := err.Error()
	var e *bridge.Error
	if errors.As(err, &e) && e.Detail != "" {
		reason = e.Detail
	}
	for _, known := range failures {
		if errors.Is(err, known.kind) {
			return &http1.Refusal{Status: known.status, Reason: known.text + reason, Limit: known.limit}
		}
	}
	what := "Failed to create producer/consumer: "
	if kind == route.Reader {
		what = "Failed to create reader: "
	}
	return http1.Refused(http.StatusInternalServerError, what+reason)
}

var failures = []struct {
	kind   error
	status int
	text   string // in front of the reason
	limit  string // key of the limit that is reached, "" for none
}{
	{errDraining, http.StatusServiceUnavailable, "", ""},
	{bridge.ErrInvalid, http.StatusBadRequest, "Invalid query params: ", ""},
	{bridge.ErrUnauthorized, http.StatusUnauthorized, "Failed to authenticate: ", ""},
	{bridge.ErrForbidden, http.StatusForbidden, "Not authorized: ", ""},
	{bridge.ErrNotFound, http.StatusNotFound, "Not found: ", ""},
	{bridge.ErrBusy, http.StatusConflict, "Already connected: ", ""},
	{bridge.ErrFenced, http.StatusConflict, "Producer fenced: ", ""},
	{bridge.ErrSchema, http.StatusConflict, "Incompatible schema: ", ""},
	{bridge.ErrTooMany, http.StatusTooManyRequests, "Too many requests: ", ""},
	{bridge.ErrTerminated, http.StatusServiceUnavailable, "Topic terminated: ", ""},
	{bridge.ErrBacklogQuota, http.StatusServiceUnavailable, "Backlog quota exceeded: ", ""},
	{bridge.ErrUnavailable, http.StatusServiceUnavailable, "Broker unreachable: ", ""},
	{bridge.ErrClosed, http.StatusServiceUnavailable, "Closed: ", ""},
	{bridge.ErrMemoryFull, http.StatusServiceUnavailable, "Memory limit reached: ", limitMemory},
	{bridge.ErrTimeout, http.StatusGatewayTimeout, "The broker did not answer in time: ", ""},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "The broker did not answer in time: ", ""},
}
