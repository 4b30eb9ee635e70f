//go:build linux

package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/filename"
)

// Flags are the flags of all scenarios. Each scenario registers those that
// mean something to it.
type Flags struct {
	plan bench.Plan

	api, ca, cert, key    string
	tokenFile             string
	params, sources       []string
	payloadFile           string
	properties            []string
	mode, idleMode        string
	subscription          string
	sessions              int
	producers, consumers  int
	readers, idle         int
	subscriptions         int
	permits, receiverSize int
	slow, slowBytes       int
	lifetime              time.Duration
	noAck, batching       bool
	batchMessages         int
	batchDelay            time.Duration
	compression           string
}

func (f *Flags) target(fs *pflag.FlagSet) {
	t := &f.plan.Target
	fs.StringVar(&f.api, "api", "v2", "`version` of the paths: v2, or v1 as before Pulsar 2.0")
	fs.StringVar(&t.Domain, "domain", "persistent", "persistent or non-persistent")
	fs.StringVar(&t.Namespace, "namespace", "", "`tenant/namespace`, with v1 property/cluster/namespace (default public/default, or public/standalone/default)")
	fs.StringVar(&t.Token, "token", "", "JSON web token, sent as Authorization: Bearer; other users of this machine can see it")
	fs.StringVar(&f.tokenFile, "token-file", "", "`file` that holds the token")
	fs.StringArrayVar(&f.params, "param", nil, "further query parameter `name=value` of all sessions; may be repeated")
	fs.BoolVar(&t.Deflate, "deflate", false, "offer permessage-deflate")
	fs.StringVar(&f.ca, "ca", "", "trust the certificates in this PEM `file` (wss)")
	fs.StringVar(&f.cert, "cert", "", "show the server the certificate in this PEM `file` (wss)")
	fs.StringVar(&f.key, "key", "", "PEM `file` with the key of --cert")
	fs.BoolVar(&t.Insecure, "insecure", false, "trust any certificate (wss)")
}

func (f *Flags) common(fs *pflag.FlagSet) {
	f.target(fs)
	p := &f.plan
	fs.IntVar(&p.Topics, "topics", 1, "number of topics; sessions are spread over them")
	fs.StringVar(&p.TopicBase, "topic", "", "first part of the topics' names (default bench- and a new id, so that runs do not meet)")
	fs.DurationVar(&p.RampUp, "ramp-up", 0, "open the sessions evenly over so long; 0: as fast as it goes")
	fs.IntVar(&p.Opening, "opening", 64, "handshakes under way at a time")
	fs.DurationVar(&p.OpenTimeout, "open-timeout", 10*time.Second, "how long a handshake may take")
	fs.DurationVar(&p.Duration, "duration", 10*time.Second, "how long to measure")
	fs.DurationVar(&p.WarmUp, "warm-up", 2*time.Second, "time before it that does not count")
	fs.DurationVar(&p.Reconnect, "reconnect", 0, "open a session again so long after its connection broke; 0: never")
	fs.IntVar(&p.Loops, "loops", max(1, runtime.NumCPU()/2), "event loops, each of which can use one core")
	fs.StringSliceVar(&f.sources, "source", nil, "`addresses` to connect from, in turn (default: of 127.0.0.0/8, when one has not enough ports)")
	fs.IntVar(&p.Processes, "processes", 1, "processes to spread the sessions over, each with so many --loops: for more sessions than one may have descriptors, or more cores")
	fs.IntSliceVar(&p.PIDs, "pid", nil, "process `ids` of the server, to measure its CPU and memory")
	fs.StringSliceVar(&p.Scrape, "scrape", nil, "`URLs` of the server's metrics, to read along")
}

func (f *Flags) sending(fs *pflag.FlagSet, rate float64) {
	p := &f.plan
	fs.Float64Var(&p.Rate, "rate", rate, "messages per second of all producers together; 0: closed loop, each sends the next when its window has room")
	fs.IntVar(&p.Window, "window", 100, "messages of a producer that may be unanswered")
	f.content(fs)
	fs.DurationVar(&p.Drain, "drain", 10*time.Second, "how long to wait at the end for what is under way")
}

func (f *Flags) content(fs *pflag.FlagSet) {
	fs.IntVar(&f.plan.Message.Size, "payload", 100, "payload size in `bytes`")
	fs.StringVar(&f.payloadFile, "payload-file", "", "use this `file` as payload")
	fs.IntVar(&f.plan.Message.Keys, "keys", 0, "number of different message keys, in turn; 0: no key")
	fs.StringArrayVar(&f.properties, "property", nil, "message property `name=value`; may be repeated")
	fs.BoolVar(&f.batching, "batching", false, "ask the server to batch")
	fs.IntVar(&f.batchMessages, "batch-messages", 0, "batchingMaxMessages; 0: the server's default")
	fs.DurationVar(&f.batchDelay, "batch-delay", 0, "batchingMaxPublishDelay; 0: the server's default")
	fs.StringVar(&f.compression, "compression", "", "compressionType: NONE, LZ4, ZLIB, ZSTD or SNAPPY")
}

func (f *Flags) consuming(fs *pflag.FlagSet) {
	fs.StringVar(&f.mode, "subscription-type", "Shared", "Exclusive (a subscription of its own for each consumer), Shared, Failover or Key_Shared")
	fs.IntVar(&f.subscriptions, "subscriptions", 1, "subscriptions of a topic, over which its consumers spread; not for Exclusive")
	fs.StringVar(&f.subscription, "subscription", "bench", "first part of the subscriptions' names")
	fs.IntVar(&f.permits, "pull", 0, "pull mode: ask for so many messages at a time; 0: push mode")
	f.window(fs)
}

func (f *Flags) window(fs *pflag.FlagSet) {
	fs.IntVar(&f.receiverSize, "receiver-queue", 0, "receiverQueueSize: messages pushed without an acknowledgement; 0: the server's default")
	fs.BoolVar(&f.noAck, "no-ack", false, "acknowledge nothing")
}

func (f *Flags) slowness(fs *pflag.FlagSet) {
	fs.IntVar(&f.slow, "slow", 0, "so many further receivers that read slowly; what they miss does not count as lost")
	fs.IntVar(&f.slowBytes, "slow-rate", 1000, "`bytes` that a slow one reads per second")
}

// prepare completes the plan for a target.
func (f *Flags) prepare(target string) (err error) {
	p := &f.plan
	p.Target.URL = target
	switch f.api {
	case "v1":
		p.Target.V1 = true
	case "v2":
	default:
		return fmt.Errorf("--api %s: there is v1 and v2", f.api)
	}
	if p.Target.Namespace == "" {
		p.Target.Namespace = map[bool]string{false: "public/default", true: "public/standalone/default"}[p.Target.V1]
	}
	if p.Target.Params, err = pairs("--param", f.params); err != nil {
		return err
	}
	if err := f.files(); err != nil {
		return err
	}
	for _, s := range f.sources {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("--source %s: %w", s, err)
		}
		p.Sources = append(p.Sources, a)
	}
	if p.TopicBase == "" {
		p.TopicBase = fmt.Sprintf("bench-%08x", uint32(time.Now().UnixNano()>>10))
	}
	if p.Window == 0 {
		p.Window = 1
	}
	return f.message()
}

func (f *Flags) message() error {
	m := &f.plan.Message
	if m.Size == 0 && f.payloadFile == "" {
		m.Size = frames.StampSize // of scenarios that send nothing
	}
	properties, err := pairs("--property", f.properties)
	if err != nil {
		return err
	}
	for name, values := range properties {
		if m.Properties == nil {
			m.Properties = map[string]string{}
		}
		m.Properties[name] = values[len(values)-1]
	}
	if f.payloadFile != "" {
		if m.File, err = os.ReadFile(f.payloadFile); err != nil {
			return fmt.Errorf("--payload-file: %w", err)
		}
		if m.File == nil {
			m.File = []byte{}
		}
	}
	if m.Keys < 0 {
		return fmt.Errorf("--keys %d: must not be negative", m.Keys)
	}
	return nil
}

// pairs reads flags like name=value.
func pairs(flag string, texts []string) (url.Values, error) {
	values := url.Values{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s %s: must be name=value", flag, text)
		}
		values.Add(name, value)
	}
	return values, nil
}

// files reads the files that flags name.
func (f *Flags) files() error {
	t := &f.plan.Target
	for _, x := range []struct {
		flag, path string
		take       func([]byte)
	}{
		{"--ca", f.ca, func(b []byte) { t.CA = b }},
		{"--cert", f.cert, func(b []byte) { t.Cert = b }},
		{"--key", f.key, func(b []byte) { t.Key = b }},
		{"--token-file", f.tokenFile, func(b []byte) { t.Token = strings.TrimSpace(string(b)) }},
	} {
		if x.path == "" {
			continue
		}
		b, err := os.ReadFile(x.path)
		if err != nil {
			return fmt.Errorf("%s: %w", x.flag, filename.Fault(err, x.path))
		}
		x.take(b)
	}
	if (f.cert == "") != (f.key == "") {
		return errors.New("--cert and --key: one needs the other")
	}
	return nil
}
