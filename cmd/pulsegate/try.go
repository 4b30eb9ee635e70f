package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os/signal"
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
			if err := checkTarget(args[0]); err != nil {
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
			if err := checkTarget(args[0]); err != nil {
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

// checkTarget says what is wrong with the address of an endpoint. Its query, which
// may hold a token, is not repeated.
func checkTarget(target string) error {
	u, err := url.Parse(target)
	if err == nil && (u.Scheme == "ws" || u.Scheme == "wss") && u.Host != "" {
		return nil
	}
	shown, _, _ := strings.Cut(target, "?")
	return fmt.Errorf("%q: it must be ws://host:port/path or wss://host:port/path", shown)
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
