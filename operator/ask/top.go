package ask

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/pulsegate/pulsegate/operator"
)

// clearScreen is what terminals take for "empty, and write from the first line on".
const clearScreen = "\x1b[H\x1b[2J"

// look is what one refresh of Top has seen.
type look struct {
	at     time.Time
	status operator.Status
	slow   []operator.Session
}

// Top prints the gateway's state again and again until ctx ends: rates, the clients that read
// too slowly, and the topics with most sessions, rows of each.
func Top(ctx context.Context, c *Client, w io.Writer, every time.Duration, rows int) error {
	next := time.NewTicker(every)
	defer next.Stop()
	var before look
	for {
		now := look{at: time.Now()}
		var err error
		if now.status, err = c.statusIn(ctx); err != nil {
			return endOf(ctx, err)
		}
		screen := bufio.NewWriter(w)
		_, _ = screen.WriteString(clearScreen)
		if err := c.screen(ctx, screen, &before, &now, rows); err != nil {
			return endOf(ctx, err)
		}
		if err := screen.Flush(); err != nil {
			return err
		}
		before = now
		select {
		case <-next.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// endOf is no error when it comes of the end that was asked for.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// screen prints one refresh, and notes the sessions that it lists.
func (c *Client) screen(ctx context.Context, w io.Writer, before, now *look, rows int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	limit := fmt.Sprint(rows)
	slow, err := c.Sessions(ctx, url.Values{"sort": {"-unsentBytes"}, "unsentBytes": {"1"}, "limit": {limit}})
	if err != nil {
		return err
	}
	now.slow = slow.Sessions
	topics, err := c.Topics(ctx, url.Values{"sort": {"-sessions"}, "limit": {limit}})
	if err != nil {
		return err
	}
	if err := PrintStatus(w, now.status, operator.Brokers{}, operator.Refusals{}, now.at); err != nil {
		return err
	}
	rates := Rates{}
	if before.status.Counters != nil && before.status.Started.Equal(now.status.Started) { // else it was started again
		passed := now.at.Sub(before.at)
		rates = ratesSince(before.slow, now.slow, passed)
		rate := func(counter string) float64 { return perSecond(&before.status, &now.status, counter, passed) }
		fmt.Fprintf(w, "\npublished %.0f/s, delivered %.0f/s, acknowledged %.0f/s, from clients %sB/s, to clients %sB/s\n",
			rate("published"), rate("delivered"), rate("acknowledged"), size(int64(rate("receivedBytes"))), size(int64(rate("sentBytes"))))
	}
	fmt.Fprintf(w, "\nclients whose output waits: %d\n", slow.Total)
	if slow.Total > 0 {
		if err := cmp.Or(printRated(w, slow, rates, now.at), PrintRest(w, slow, 0, "pulsegate sessions --sort -unsentBytes")); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return cmp.Or(PrintTopics(w, topics), PrintRest(w, topics, 0, "pulsegate topics"))
}

func perSecond(before, now *operator.Status, counter string, passed time.Duration) float64 {
	return float64(now.Counters[counter]-before.Counters[counter]) / passed.Seconds()
}

// patience bounds how long Top waits for one look.
const patience = 10 * time.Second

func (c *Client) statusIn(ctx context.Context) (operator.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.Status(ctx)
}
