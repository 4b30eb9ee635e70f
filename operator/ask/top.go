package ask

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/pulsegate/pulsegate/operator"
)

// clearScreen is what terminals take for "empty, and write from the first line on".
const clearScreen = "\x1b[H\x1b[2J"

// Top prints the gateway's state again and again until ctx ends: rates, the clients that read
// too slowly, and the topics with most sessions, rows of each.
func Top(ctx context.Context, c *Client, w io.Writer, every time.Duration, rows int) error {
	next := time.NewTicker(every)
	defer next.Stop()
	var before operator.Status
	for at := time.Now(); ; at = time.Now() {
		status, err := c.statusIn(ctx)
		if err != nil {
			return endOf(ctx, err)
		}
		screen := bufio.NewWriter(w)
		_, _ = screen.WriteString(clearScreen)
		if err := c.screen(ctx, screen, before, status, every, rows, at); err != nil {
			return endOf(ctx, err)
		}
		if err := screen.Flush(); err != nil {
			return err
		}
		before = status
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

func (c *Client) screen(ctx context.Context, w io.Writer, before, now operator.Status, every time.Duration, rows int, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	limit := fmt.Sprint(rows)
	slow, err := c.Sessions(ctx, url.Values{"sort": {"-unsentBytes"}, "unsentBytes": {"1"}, "limit": {limit}})
	if err != nil {
		return err
	}
	topics, err := c.Topics(ctx, url.Values{"sort": {"-sessions"}, "limit": {limit}})
	if err != nil {
		return err
	}
	if err := PrintStatus(w, now, nil, nil, at); err != nil {
		return err
	}
	if before.Counters != nil && before.Started.Equal(now.Started) { // else it was started again
		fmt.Fprintf(w, "\npublished %s, delivered %s, acknowledged %s, from clients %sB/s, to clients %sB/s\n",
			rate(before, now, "published", every), rate(before, now, "delivered", every), rate(before, now, "acknowledged", every),
			size(int64(perSecond(before, now, "receivedBytes", every))), size(int64(perSecond(before, now, "sentBytes", every))))
	}
	fmt.Fprintf(w, "\nclients whose output waits: %d\n", slow.Total)
	if slow.Total > 0 {
		if err := PrintSessions(w, slow, at); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return PrintTopics(w, topics)
}

func perSecond(before, now operator.Status, counter string, every time.Duration) float64 {
	return float64(now.Counters[counter]-before.Counters[counter]) / every.Seconds()
}

func rate(before, now operator.Status, counter string, every time.Duration) string {
	return fmt.Sprintf("%.0f/s", perSecond(before, now, counter, every))
}

// patience bounds how long Top waits for one look.
const patience = 10 * time.Second

func (c *Client) statusIn(ctx context.Context) (operator.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.Status(ctx)
}
