package bridge

import (
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// ConsumeOptions are what a consumer session asks for beyond its subscription.
type ConsumeOptions struct {
	// Window is how many messages may be out and neither acknowledged nor
	// negatively acknowledged, at least 1. In pull mode permits count instead.
	Window int
	Pull   bool
	// AckTimeout > 0: a message not acknowledged for that long is redelivered and frees its place.
	AckTimeout time.Duration
	// NackDelay is how long a negatively acknowledged message waits for its redelivery.
	NackDelay time.Duration
	Format    codec.Format
}

// ReadOptions are what a reader session asks for beyond its position.
type ReadOptions struct {
	// Window is how many messages may be out without an answer, at least 1.
	Window int
	Format codec.Format
}

// Opened receives the outcome of the opening of a session: the session, or an
// error (an [*Error] where a kind applies). It is called once, on a goroutine
// of the bridge, unless the opening was cancelled before. It must not block.
type Opened func(Session, error)
