//go:build linux

// Package scenario has the ways to put load on a server, by their flags, and reads
// files of them.
package scenario

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/pulsegate/pulsegate/bench"
)

// All are all there are, in the order of the help.
func All() []*Scenario {
	return []*Scenario{idle(), publish(), consume(), endToEnd(), fanout(), churn(), mixed()}
}

// Scenario is a way to put load on a server.
type Scenario struct {
	Name, Short, Long, Example string

	flags  func(*Flags, *pflag.FlagSet) // registers those of its own
	groups func(*Flags) error           // makes the sessions, when the flags are known
}

// Register adds the scenario's flags, which set f, to a set.
func (s *Scenario) Register(f *Flags, fs *pflag.FlagSet) {
	s.flags(f, fs)
	f.common(fs)
}

// Plan makes the plan for a target, when the flags are known. It is called once
// for each f.
func (s *Scenario) Plan(f *Flags, target string) (bench.Plan, error) {
	f.plan.Scenario = s.Name
	if err := f.prepare(target); err != nil {
		return bench.Plan{}, err
	}
	err := s.groups(f)
	return f.plan, err
}

func idle() *Scenario {
	return &Scenario{
		"idle", "Open sessions and hold them",
		`Open sessions, hold them and say what that costs: memory and CPU of the server
(with --pid), time and CPU to open.

--mode shared: consumers on one Shared subscription of each topic; distinct:
consumers with a subscription each; readers; producers.`,
		"  pulsegate bench idle ws://localhost:8080 --sessions 15000 --mode readers --pid 4711",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.sessions, "sessions", 1000, "number of sessions")
			fs.StringVar(&f.idleMode, "mode", "shared", "shared, distinct, readers or producers")
			fs.StringVar(&f.subscription, "subscription", "bench", "first part of the subscriptions' names")
		},
		func(f *Flags) error { return f.addIdle(f.sessions, false) },
	}
}

func publish() *Scenario {
	return &Scenario{
		"publish", "Send messages and wait for their confirmations",
		"Send messages from producers and measure rate and time to the confirmation.",
		"  pulsegate bench publish ws://localhost:8080 --producers 50 --window 100\n  pulsegate bench publish ws://localhost:8080 --producers 50 --rate 10000 --payload 1024",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.producers, "producers", 50, "number of producers")
			f.sending(fs, 0)
		},
		func(f *Flags) error {
			f.addProducers(f.producers)
			return nil
		},
	}
}

func consume() *Scenario {
	return &Scenario{
		"consume", "Receive messages and acknowledge them",
		`Receive messages. With --backlog so many are published first, and it is measured
how fast they are delivered; the run ends when all are, at the latest after
--duration. Without, it receives what others publish, such as another bench.`,
		"  pulsegate bench consume ws://localhost:8080 --consumers 4 --backlog 200000",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.consumers, "consumers", 4, "number of consumers")
			fs.IntVar(&f.readers, "readers", 0, "number of readers")
			fs.IntVar(&f.plan.Backlog, "backlog", 0, "`messages` to publish first")
			fs.IntVar(&f.plan.Window, "window", 100, "messages of a producer of the backlog that may be unanswered")
			f.content(fs)
			f.consuming(fs)
		},
		func(f *Flags) error {
			consumers, readers := "", ""
			if f.plan.Backlog > 0 {
				consumers, readers = "Earliest", "earliest"
			}
			f.addReaders(f.readers, readers)
			return f.addConsumers(f.consumers, consumers)
		},
	}
}

func endToEnd() *Scenario {
	return &Scenario{
		"e2e", "Send messages and receive them",
		`Send messages from producers to consumers, and measure rates, the time to the
confirmation and the time to the receipt. Every message must reach every
subscription once.`,
		"  pulsegate bench e2e ws://localhost:8080 --producers 10 --consumers 50\n  pulsegate bench e2e ws://localhost:8080 --producers 1 --consumers 1 --rate 2000",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.producers, "producers", 1, "number of producers")
			fs.IntVar(&f.consumers, "consumers", 1, "number of consumers")
			f.sending(fs, 0)
			f.consuming(fs)
			f.slowness(fs)
		},
		func(f *Flags) error {
			err := f.addConsumers(f.consumers, "")
			f.addProducers(f.producers)
			return err
		},
	}
}

func fanout() *Scenario {
	return &Scenario{
		"fanout", "Send few messages to very many readers",
		`Send messages that each go to all readers of the topic, and measure the time to the receipt.

With --once the readers are idle for --duration, which tells what holding them
costs; then one message is sent, and --drain is how long all may take to get it.`,
		"  pulsegate bench fanout ws://localhost:8080 --readers 2000 --rate 20\n  pulsegate bench fanout ws://localhost:8080 --readers 100000 --processes 6 --once",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.producers, "producers", 1, "number of producers")
			fs.IntVar(&f.readers, "readers", 1000, "number of readers")
			fs.BoolVar(&f.plan.Once, "once", false, "send one message only, at the end; --rate has no meaning then")
			f.sending(fs, 20)
			f.window(fs)
			f.slowness(fs)
		},
		func(f *Flags) error {
			f.addReaders(f.readers, "")
			f.addProducers(f.producers)
			return nil
		},
	}
}

func churn() *Scenario {
	return &Scenario{
		"churn", "Open and close sessions all the time",
		`Keep a number of sessions open, each for --lifetime only; then it is closed and
opened anew. The time to open is measured, and what it costs.`,
		"  pulsegate bench churn ws://localhost:8080 --sessions 1000 --lifetime 5s",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.sessions, "sessions", 1000, "number of sessions at a time")
			fs.StringVar(&f.idleMode, "mode", "shared", "shared, distinct, readers or producers")
			fs.StringVar(&f.subscription, "subscription", "bench", "first part of the subscriptions' names")
			fs.DurationVar(&f.lifetime, "lifetime", 5*time.Second, "how long a session is open")
		},
		func(f *Flags) error {
			if f.lifetime <= 0 {
				return errors.New("--lifetime: must be more than 0")
			}
			return f.addIdle(f.sessions, false)
		},
	}
}

func mixed() *Scenario {
	return &Scenario{
		"mixed", "Many idle sessions and some that talk",
		`A fleet: many sessions that are only there, on topics of their own, while
producers send to consumers as in e2e.`,
		"  pulsegate bench mixed ws://localhost:8080 --idle 10000 --producers 10 --consumers 10 --rate 2000",
		func(f *Flags, fs *pflag.FlagSet) {
			fs.IntVar(&f.idle, "idle", 1000, "number of idle sessions")
			fs.StringVar(&f.idleMode, "mode", "readers", "what the idle ones are: shared, distinct, readers or producers")
			fs.IntVar(&f.producers, "producers", 10, "number of producers")
			fs.IntVar(&f.consumers, "consumers", 10, "number of consumers")
			f.sending(fs, 1000)
			f.consuming(fs)
		},
		func(f *Flags) error {
			err := errors.Join(f.addIdle(f.idle, true), f.addConsumers(f.consumers, ""))
			f.addProducers(f.producers)
			return err
		},
	}
}
