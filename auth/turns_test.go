package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// waits returns once as many checks wait in a turn.
func (c *checks) waits(t *testing.T, in turn, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d checks wait", n), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.waiting[in]) == n
	})
}

// Renewals go before logins, and those before what comes from where very many
// failed, however long that has waited.
func TestOrderOfChecks(t *testing.T) {
	c := newChecks(1)
	if !c.enter(t.Context(), turnDoubted) {
		t.Fatal("the first has to wait")
	}
	var began []turn // its order is that of the turns: one check is under way at a time
	var all sync.WaitGroup
	for _, in := range []turn{turnDoubted, turnDoubted, turnLogin, turnRenewal, turnLogin} {
		c.mu.Lock()
		n := len(c.waiting[in])
		c.mu.Unlock()
		all.Go(func() {
			if c.enter(t.Context(), in) {
				began = append(began, in)
				c.leave(in)
			}
		})
		c.waits(t, in, n+1)
	}
	c.leave(turnDoubted)
	all.Wait()
	want := []turn{turnRenewal, turnLogin, turnLogin, turnDoubted, turnDoubted}
	for i, in := range want {
		if len(began) != len(want) || began[i] != in {
			t.Fatalf("order %v, want %v", began, want)
		}
	}
	if c.free != 1 || c.doubted != 1 {
		t.Errorf("%d places are free in the end", c.free)
	}
}

// Who gives up waiting leaves no place behind, nor takes one.
func TestCheckGivenUp(t *testing.T) {
	c := newChecks(1)
	c.enter(t.Context(), turnLogin)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan bool)
	go func() { got <- c.enter(ctx, turnLogin) }()
	c.waits(t, turnLogin, 1)
	cancel()
	if <-got {
		t.Fatal("it was let in")
	}
	c.leave(turnLogin)
	if c.free != 1 || len(c.waiting[turnLogin]) != 0 {
		t.Errorf("%d free, %d wait", c.free, len(c.waiting[turnLogin]))
	}
}

// A flood from one address leaves half of the places to others, whom it does not
// keep waiting.
func TestDoubtedChecksHaveHalf(t *testing.T) {
	c := newChecks(4)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if !c.enter(t.Context(), turnDoubted) {
			t.Fatal("no place")
		}
	}
	if c.enter(over, turnDoubted) {
		t.Error("more than half are under way")
	}
	for range 2 {
		if !c.enter(over, turnLogin) {
			t.Error("others find no place")
		}
	}
	if c.enter(over, turnRenewal) {
		t.Error("more are under way than may be")
	}
	got := make(chan bool)
	go func() { got <- c.enter(t.Context(), turnDoubted) }()
	c.waits(t, turnDoubted, 1)
	c.leave(turnLogin) // the place is not for one that is doubted
	c.waits(t, turnDoubted, 1)
	c.leave(turnDoubted)
	if !<-got {
		t.Error("it was not let in")
	}
}

// While all checks are taken by others, a client whose credentials were right before
// gets in, and one whose were forged is refused: neither costs a check.
func TestSeenCredentialsCostNoCheck(t *testing.T) {
	p, q := tokens(t, TokenOptions{SecretKey: dataURL(secret)}), passwords(t, dataURL([]byte("alice:"+apr1)))
	good, bad := sign(jwt.SigningMethodHS256, secret, "sub", "me"), sign(jwt.SigningMethodHS256, []byte("x"), "sub", "me")
	soon := sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", time.Now().Add(time.Hour).Unix())
	token := func(ctx context.Context, token string) error {
		_, err := p.authenticate(ctx, &Request{Authorization: "Bearer " + token, turn: turnLogin})
		return err
	}
	for range 2 {
		if err := errors.Join(token(t.Context(), good), token(t.Context(), soon)); err != nil {
			t.Fatal(err)
		}
		if err := token(t.Context(), bad); !errors.Is(err, ErrUnauthenticated) {
			t.Fatal(err)
		}
		if _, err := q.authenticate(t.Context(), basicAuth("alice:secret")); err != nil {
			t.Fatal(err)
		}
	}
	for range runtime.GOMAXPROCS(0) {
		p.checks.enter(t.Context(), turnLogin)
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		q.checks.enter(t.Context(), turnLogin)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(token(over, good), token(over, soon)); err != nil {
		t.Error(err)
	}
	if err := token(over, bad); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
	if _, err := q.authenticate(over, basicAuth("alice:secret")); err != nil {
		t.Error(err)
	}
	if err := token(over, sign(jwt.SigningMethodHS256, secret, "sub", "new")); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// What is remembered counts only until the token runs out, and is bounded.
func TestVerdictsEnd(t *testing.T) {
	p := tokens(t, TokenOptions{SecretKey: dataURL(secret)})
	token := sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", time.Now().Add(-time.Minute).Unix())
	p.signed.put(p.key.get(), p.marker.mark(token), Principal{Role: "me", Expires: time.Now().Add(-time.Second)})
	_, err := p.authenticate(t.Context(), &Request{Authorization: "Bearer " + token})
	wantRefused(t, "an expired token", err, ErrUnauthenticated, "expired")

	for range 3 * maxForged {
		m := p.marker.mark(strings.Repeat("x", len(p.forged.known)+1))
		p.forged.put(p.key.get(), m, forged("", ""))
		if len(p.forged.known) > maxForged {
			t.Fatalf("%d are remembered", len(p.forged.known))
		}
	}
	long := sign(jwt.SigningMethodHS256, secret, "sub", strings.Repeat("r", maxRole+1))
	if _, err := p.authenticate(t.Context(), &Request{Authorization: "Bearer " + long}); err != nil {
		t.Error(err)
	}
	if _, ok := p.signed.get(p.key.get(), p.marker.mark(long)); ok {
		t.Error("a role of any length is remembered")
	}
}
