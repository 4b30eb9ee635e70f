package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// One topic whose broker does not answer leaves slots for others.
func TestSlowTopicKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(Options{OpenConcurrency: 2 * topicShare, OpenTimeout: time.Hour})
		defer k.Close()
		k.patience = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		var releases []func()
		for range 2 {
			release, err := k.Slot(ctx, "slow")
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		waits := make(chan error, 1)
		go func() {
			_, err := k.Slot(ctx, "slow")
			waits <- err
		}()
		synctest.Wait() // it stands in line
		release, err := k.Slot(ctx, "other")
		if err != nil {
			t.Fatal(err)
		}
		release()
		cancel()
		if err := <-waits; err == nil {
			t.Error("a topic got more than its share of slots")
		}
		for _, release := range releases {
			release()
		}
		if len(k.creating) != 0 || len(k.slots) != 0 {
			t.Errorf("%d topics and %d slots are left", len(k.creating), len(k.slots))
		}
	})
}

// Topics whose broker does not answer keep their slots for a while only, however many they are.
func TestSlowBrokerKeepsNobodyWaiting(t *testing.T) {
	k := New(Options{OpenConcurrency: 2, OpenTimeout: time.Hour})
	t.Cleanup(k.Close)
	k.patience = time.Millisecond
	var releases []func()
	for _, topic := range []string{"slow", "slow, too", "other", "other"} {
		release, err := k.Slot(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	for _, release := range releases {
		release()
	}
	if len(k.creating) != 0 || len(k.slots) != 0 {
		t.Errorf("%d topics and %d slots are left", len(k.creating), len(k.slots))
	}
}
