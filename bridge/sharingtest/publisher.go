package sharingtest

import (
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/codec"
)

// publisher publishes the numbers from 0 on and knows the ids of those that
// were confirmed. It belongs to one goroutine, but for what mu and the atomic guard.
type publisher struct {
	r    *round
	s    *socket
	keys int // numbers of one key differ by a multiple of keys; 0: no keys

	sent atomic.Int64
	mu   sync.Mutex
	ids  []codec.MessageID // by number
}

// publisher opens one. A batched one is what a native client is that batches:
// several messages in an entry.
func (r *round) publisher(b *hub.Hub, batched bool) *publisher {
	spec := bridge.ProducerSpec{Topic: r.topic, SendTimeout: patience}
	if batched {
		spec.Batching, spec.BatchingMaxDelay, spec.BatchingMaxPending = true, 2*time.Millisecond, 7
	}
	s := open(r, func(o bridge.Outlet, d bridge.Opened) func() { return b.Produce(spec, o, d) })
	if s == nil {
		r.FailNow()
	}
	return &publisher{r: r, s: s}
}

// burst publishes the next n numbers at once and waits for all confirmations.
func (p *publisher) burst(n int) {
	for range n {
		number := int(p.sent.Add(1)) - 1
		key := ""
		if p.keys > 0 {
			key = strconv.Itoa(number % p.keys)
		}
		p.s.handle(`{"payload":%q,"context":"%d","key":%q}`, encode(number), number, key)
	}
	for n > 0 {
		frames := p.s.take(n, nil)
		if frames == nil {
			return
		}
		for _, f := range frames {
			a := parseAnswer(p.r, f)
			p.mu.Lock()
			if want := strconv.Itoa(len(p.ids)); a.Result != "ok" || a.Context != want {
				p.r.Errorf("publish %s is answered by %s", want, f)
			}
			p.ids = append(p.ids, a.id)
			p.mu.Unlock()
			n--
		}
	}
}

// until publishes in bursts of random sizes until total are confirmed.
func (p *publisher) until(total int) {
	for int(p.sent.Load()) < total && !p.r.Failed() {
		p.burst(min(1+p.r.random.IntN(20), total-int(p.sent.Load())))
	}
}

func (p *publisher) confirmed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ids)
}

func (p *publisher) id(number int) codec.MessageID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[number]
}

// answer is what a client reads of a publish's answer.
type answer struct {
	Result    string `json:"result"`
	ErrorMsg  string `json:"errorMsg"`
	MessageID string `json:"messageId"`
	Context   string `json:"context"`

	id codec.MessageID
}

func parseAnswer(r *round, frame []byte) (a answer) {
	err := json.Unmarshal(frame, &a)
	if err == nil && a.Result == "ok" {
		a.id, err = codec.ParseMessageID([]byte(a.MessageID))
	}
	if err != nil {
		r.Errorf("answer %q: %v", frame, err)
	}
	return a
}
