package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/cmd/usage"
	"github.com/pulsegate/pulsegate/filename"
	"github.com/pulsegate/pulsegate/gateway"
	"github.com/pulsegate/pulsegate/operator/ask"
)

// askTimeout bounds how long a gateway is waited for.
const askTimeout = 30 * time.Second

// running is the gateway that a command asks: the one at url, or the one that runs on this
// machine with the same configuration.
type running struct {
	from      source
	url       string
	trust     string
	token     string
	tokenFile string
}

func (r *running) flags(cmd *cobra.Command) {
	r.from.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.url, "url", "", "`address` of the gateway, such as http://host:8080 (default the one that runs here with the same configuration)")
	flags.StringVar(&r.trust, "tls-trust", "", "`file` with the certificates that an https address is checked with (default the system's)")
	flags.StringVar(&r.token, "token", "", "JSON web token of a super-user")
	flags.StringVar(&r.tokenFile, "token-file", "", "`file` that holds the token")
	usage.Exclusive(cmd, "token", "token-file")
}

// client makes the client. What is wrong with the flags is said before anything is asked.
func (r *running) client() (*ask.Client, error) {
	token := r.token
	if r.tokenFile != "" {
		text, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return nil, usage.Unreadable("--token-file", r.tokenFile, filename.Fault(err, r.tokenFile))
		}
		token = strings.TrimSpace(string(text))
	}
	if r.url == "" {
		if r.trust != "" {
			return nil, errors.New("--tls-trust: it needs --url; the gateway on this machine is not checked")
		}
		cfg, _, err := r.from.load(true)
		if err != nil {
			return nil, err
		}
		base, client, err := gateway.PagesHere(cfg)
		if err != nil {
			return nil, err
		}
		return ask.New(base, client, bearer(token)), nil
	}
	if err := ask.CheckURL(r.url); err != nil {
		return nil, fmt.Errorf("--url %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if r.trust != "" {
		text, err := os.ReadFile(r.trust)
		if err != nil {
			return nil, usage.Unreadable("--tls-trust", r.trust, filename.Fault(err, r.trust))
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--tls-trust %s: it holds no certificate in PEM", r.trust)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return ask.New(r.url, &http.Client{Transport: transport}, bearer(token)), nil
}

// command makes a command that asks a gateway.
func (r *running) command(use, short, long string, args cobra.PositionalArgs, run func(ctx context.Context, cmd *cobra.Command, c *ask.Client, args []string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, c *ask.Client) error { return run(ctx, cmd, c, args) })
		},
	}
	r.flags(cmd)
	return cmd
}

// ask runs what asks the gateway, until a signal ends it.
func (r *running) ask(cmd *cobra.Command, run func(ctx context.Context, c *ask.Client) error) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return r.explain(run(ctx, c))
}

// explain says where else to ask if nothing answers here, and marks a wrong question as a mistake in the command line.
func (r *running) explain(err error) error {
	var failed *runtimeError
	if !errors.As(err, &failed) {
		return err
	}
	if no := (*ask.Refused)(nil); errors.As(err, &no) {
		if no.Asked {
			return failed.err
		}
		return err
	}
	if r.url == "" && errors.Is(err, syscall.ECONNREFUSED) {
		return asRuntime(fmt.Errorf("%w; start it there, or name the address of another with --url", failed.err))
	}
	return err
}

func newStatus() *cobra.Command {
	return new(running).command("status", "Print how a running gateway is: limits, brokers, the last refusals", "", cobra.NoArgs,
		func(ctx context.Context, cmd *cobra.Command, c *ask.Client, _ []string) error {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			status, err := c.Status(ctx)
			if err != nil {
				return asRuntime(err)
			}
			brokers, err := c.Brokers(ctx, url.Values{"sort": {worstBroker}, "limit": {"50"}})
			if err != nil {
				return asRuntime(err)
			}
			refusals, err := c.Refusals(ctx, url.Values{"limit": {"10"}})
			if err != nil {
				return asRuntime(err)
			}
			return asRuntime(ask.PrintStatus(cmd.OutOrStdout(), status, brokers, refusals, time.Now()))
		})
}

const listHelp = `
--where filters by a field: a string by a pattern in which * stands for anything
(--where 'topic=*/orders'), a number by a minimum (--where unsentBytes=1), a time by
the earliest (refusals --where time=2006-01-02T15:04:05Z), a client at the brokers
by its id (upstream --where id=5).
--sort names a field, with a - in front for descending order.
-n and --offset make pages.`

// newList makes a command that prints a list: show asks for a page of it and prints that.
func newList(use, short, long, sort string, show func(ctx context.Context, c *ask.Client, query url.Values, w io.Writer) (ask.Part, error)) *cobra.Command {
	var l ask.Page
	cmd := new(running).command(use, short, long+listHelp, cobra.NoArgs,
		func(ctx context.Context, cmd *cobra.Command, c *ask.Client, _ []string) error {
			query, err := l.Query()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			shown, err := show(ctx, c, query, cmd.OutOrStdout())
			if err != nil {
				return asRuntime(err)
			}
			return asRuntime(ask.PrintRest(cmd.OutOrStdout(), shown, l.Offset, l.More()))
		})
	cmd.Flags().StringArrayVar(&l.Where, "where", nil, "`field=value` to filter by; may be repeated")
	cmd.Flags().StringVar(&l.Sort, "sort", sort, "`field` to sort by, with a - in front for descending order")
	cmd.Flags().IntVarP(&l.Count, "count", "n", 50, "how many to print")
	cmd.Flags().IntVar(&l.Offset, "offset", 0, "how many to leave out before the first")
	return cmd
}

// page makes a list of how to ask for a page of it, and of how that is printed.
func page[P ask.Part](get func(*ask.Client, context.Context, url.Values) (P, error), print func(io.Writer, P) error) func(context.Context, *ask.Client, url.Values, io.Writer) (ask.Part, error) {
	return func(ctx context.Context, c *ask.Client, query url.Values, w io.Writer) (ask.Part, error) {
		p, err := get(c, ctx, query)
		if err != nil {
			return nil, err
		}
		return p, print(w, p)
	}
}

// clientID is a flag's value: the id of a client at the brokers, "" until it is given.
type clientID string

// Set, String and Type implement [pflag.Value].
func (id *clientID) Set(text string) error {
	if n, err := strconv.ParseUint(text, 10, 64); err != nil || n == 0 {
		return errors.New("pulsegate upstream prints them")
	}
	*id = clientID(text)
	return nil
}
func (id *clientID) String() string { return string(*id) }
func (id *clientID) Type() string   { return "client's id" }

// now lets a page be printed that says how long ago something was.
func now[P ask.Part](print func(io.Writer, P, time.Time) error) func(io.Writer, P) error {
	return func(w io.Writer, p P) error { return print(w, p, time.Now()) }
}

func newSessions() *cobra.Command {
	var upstream clientID
	cmd := newList("sessions", "Print the sessions of a running gateway: who is connected, and who is slow",
		"Print the sessions of a running gateway.", "-unsentBytes",
		page((*ask.Client).Sessions, now(ask.PrintSessions)))
	cmd.Flags().Var(&upstream, "upstream", "only those that use the client at the brokers with this `id`, as pulsegate upstream prints it")
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := before(cmd, args); err != nil || upstream == "" {
			return err
		}
		return cmd.Flags().Set("where", "upstream="+string(upstream))
	}
	return cmd
}

func newTopics() *cobra.Command {
	return newList("topics", "Print the topics of a running gateway: where the sessions are",
		"Print the topics that the sessions of a running gateway are on.", "-sessions",
		page((*ask.Client).Topics, ask.PrintTopics))
}

func newUpstream() *cobra.Command {
	return newList("upstream", "Print what a running gateway has at the brokers, and how many sessions share it",
		"Print the producers, consumers, readers and tails that a running gateway has at the\nbrokers, and how many sessions share each.", "-sessions",
		page((*ask.Client).Upstream, ask.PrintClients))
}

// worstBroker has connections that are down first, then those that are being opened.
const worstBroker = "state"

func newBrokers() *cobra.Command {
	return newList("brokers", "Print the connections of a running gateway to brokers, those that are down first",
		"Print the connections of a running gateway to brokers: down, opening or up, and what they do.", worstBroker,
		page((*ask.Client).Brokers, now(ask.PrintBrokers)))
}

func newRefusals() *cobra.Command {
	return newList("refusals", "Print the last clients that a running gateway refused, and why",
		"Print the last clients that a running gateway refused or whose sessions it ended, and why.", "-time",
		page((*ask.Client).Refusals, now(ask.PrintRefusals)))
}

func newTop() *cobra.Command {
	var every time.Duration
	var rows int
	cmd := new(running).command("top", "Watch a running gateway: rates, slow clients, the topics with most sessions", "", cobra.NoArgs,
		func(ctx context.Context, cmd *cobra.Command, c *ask.Client, _ []string) error {
			if every < time.Second {
				return fmt.Errorf("--every %v: it must be a second or more", every)
			}
			if rows < 1 || rows > ask.MaxPage {
				return fmt.Errorf("-n, --count %d: it must be from 1 to %d", rows, ask.MaxPage)
			}
			return asRuntime(ask.Top(ctx, c, cmd.OutOrStdout(), every, rows))
		})
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often to look")
	cmd.Flags().IntVarP(&rows, "count", "n", 10, "how many clients and topics to print")
	return cmd
}

func newClose() *cobra.Command {
	var reason string
	cmd := new(running).command("close ID", "Close a session of a running gateway", "", cobra.ExactArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c *ask.Client, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("%q: expected the id of a session, as pulsegate sessions prints it", args[0])
			}
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return asRuntime(c.CloseSession(ctx, id, reason))
		})
	cmd.Flags().StringVar(&reason, "reason", "", "what the client is told")
	return cmd
}

func newLogLevel() *cobra.Command {
	return new(running).command("log-level LEVEL", "Change the log level of a running gateway: debug, info, warn or error",
		"Change the log level of a running gateway, until it reads its configuration again.", cobra.ExactArgs(1),
		func(ctx context.Context, _ *cobra.Command, c *ask.Client, args []string) error {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return asRuntime(c.SetLevel(ctx, args[0]))
		})
}

func newProfile() *cobra.Command {
	var seconds int
	cmd := new(running).command("profile NAME FILE", "Take a profile of a running gateway: cpu, heap, goroutine, …",
		"Take a profile of a running gateway, for go tool pprof.", cobra.ExactArgs(2),
		func(ctx context.Context, _ *cobra.Command, c *ask.Client, args []string) error {
			query := url.Values{}
			if args[0] == "cpu" {
				query.Set("seconds", strconv.Itoa(seconds))
			}
			file, err := os.OpenFile(args[1], os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil { // rather than after the profile is taken
				return usage.Unwritable("FILE", args[1], err)
			}
			defer file.Close()
			ctx, cancel := context.WithTimeout(ctx, askTimeout+time.Duration(seconds)*time.Second)
			defer cancel()
			profile, err := c.Profile(ctx, args[0], query)
			if err != nil {
				if info, e := file.Stat(); e == nil && info.Size() == 0 {
					_ = os.Remove(args[1]) // there is nothing in it
				}
				return asRuntime(err)
			}
			if err := file.Truncate(0); err != nil && !errors.Is(err, syscall.EINVAL) { // as a pipe or device says
				return asRuntime(err)
			}
			_, err = file.Write(profile)
			return asRuntime(errors.Join(err, file.Close()))
		})
	cmd.Flags().IntVar(&seconds, "seconds", 10, "how long to look, for cpu; at most 25")
	return cmd
}

// operatorCommands are those that ask a running gateway.
func operatorCommands() []*cobra.Command {
	return []*cobra.Command{newStatus(), newSessions(), newTopics(), newUpstream(), newBrokers(), newRefusals(), newTop(), newClose(), newLogLevel(), newProfile()}
}
