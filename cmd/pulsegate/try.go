package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/client"
)

func newProduce() *cobra.Command {
	var token string
	cmd := &cobra.Command{
		Use:     "produce URL MESSAGE...",
		Short:   "Send messages to a WebSocket producer endpoint, to try a server out",
		Args:    cobra.MinimumNArgs(2),
		Example: `  pulsegate produce ws://localhost:8080/ws/v2/producer/persistent/public/default/hello "Hello World"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTarget(args[0], "/producer/"); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return asRuntime(client.Produce(ctx, args[0], bearer(token), args[1:], cmd.OutOrStdout()))
		},
	}
	tokenFlag(cmd, &token)
	return cmd
}

func newConsume() *cobra.Command {
	var token string
	var count int
	cmd := &cobra.Command{
		Use:     "consume URL",
		Short:   "Print and acknowledge what a WebSocket consumer or reader endpoint sends",
		Args:    cobra.ExactArgs(1),
		Example: `  pulsegate consume -n 1 "ws://localhost:8080/ws/v2/consumer/persistent/public/default/hello/me?subscriptionInitialPosition=Earliest"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTarget(args[0], "/consumer/", "/reader/"); err != nil {
				return err
			}
			if count < 0 {
				return fmt.Errorf("-n, --count %d: it must be 0 or more", count)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return asRuntime(client.Consume(ctx, args[0], bearer(token), count, cmd.OutOrStdout()))
		},
	}
	cmd.Flags().IntVarP(&count, "count", "n", 0, "stop after so many messages; 0: at Ctrl-C")
	tokenFlag(cmd, &token)
	return cmd
}

// checkTarget says what is wrong with the address of an endpoint, which is to be of one of these
// kinds. Its query, which may hold a token, is not repeated.
func checkTarget(target string, kinds ...string) error {
	u, err := url.Parse(target)
	shown, _, _ := strings.Cut(target, "?")
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return fmt.Errorf("%q: it must be ws://host:port/path or wss://host:port/path", shown)
	}
	rest, found := strings.CutPrefix(u.Path, "/ws")
	if !found {
		return nil // a path of a proxy's
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "/v2"), "/v3")
	for _, kind := range []string{"/producer/", "/consumer/", "/reader/"} {
		if strings.HasPrefix(rest, kind) && !slices.Contains(kinds, kind) {
			return fmt.Errorf("%q: it is an address for a %s; expected one with %s", shown, strings.Trim(kind, "/"), strings.Join(kinds, " or "))
		}
	}
	return nil
}

func tokenFlag(cmd *cobra.Command, token *string) {
	cmd.Flags().StringVar(token, "token", "", "JSON web token, sent as Authorization: Bearer")
}

func bearer(token string) http.Header {
	if token == "" {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

func asRuntime(err error) error {
	if err == nil {
		return nil
	}
	return &runtimeError{err}
}
