//go:build pulsar && linux

package main

import (
	"fmt"

	"github.com/pulsegate/pulsegate/bench"
)

// figure is something that is read off an outcome.
type figure struct {
	of   func(*bench.Outcome) float64
	text func(float64) string
	more bool              // more is better
	only func(*trial) bool // trials it means something in; nil: all
	zero bool              // 0 is a value, too
}

func share(v float64) string { return fmt.Sprintf("%.2f %% of a core", 100*v) }

var (
	memory    = figure{(*bench.Outcome).BytesPerSession, bench.Bytes, false, isSettled, false}
	cores     = figure{(*bench.Outcome).Cores, share, false, nil, true}
	openCPU   = figure{(*bench.Outcome).OpenCPUMillis, func(v float64) string { return bench.Millis(v) + " ms" }, false, isIdle, false}
	perCPU    = figure{(*bench.Outcome).PerCPUSecond, bench.Number, true, nil, false}
	p50       = figure{(*bench.Outcome).P50, func(v float64) string { return bench.Millis(v) + " ms" }, false, nil, false}
	p99       = figure{(*bench.Outcome).P99, func(v float64) string { return bench.Millis(v) + " ms" }, false, nil, false}
	published = figure{(*bench.Outcome).Published, bench.Number, true, nil, false}
	received  = figure{(*bench.Outcome).Received, bench.Number, true, nil, false}
	threads   = figure{workers, bench.Number, false, nil, false}
)

// workers are the goroutines of a server that tells them, else its threads.
func workers(o *bench.Outcome) float64 {
	s := o.Results[len(o.Results)/2].Server
	if s == nil {
		return 0
	}
	if n, ok := s.Metrics["go_goroutines"]; ok {
		return n.Value
	}
	return float64(s.Threads)
}

// budget is a line of the table of budgets.
type budget struct {
	what, trial string
	figure      figure
	goal        string
}

// paced is the trial at a fixed rate.
const paced = "1 producer to 1 consumer at 2,000/s"

const notBehind = "≤ Java proxy"

var budgets = []budget{
	{"anonymous memory per idle reader, 15,000 of them", "idle readers", memory, "≤ 1.2 KiB"},
	{"anonymous memory per idle Shared consumer, 15,000 of them", "idle Shared consumers", memory, "≤ 1.2 KiB"},
	{"goroutines (Java: threads) with 15,000 idle readers", "idle readers", threads, "none per session"},
	{"anonymous memory per idle distinct durable subscription, 15,000 of them", "idle distinct subscriptions", memory, "≤ 2.5 KiB"},
	{"goroutines (Java: threads) with them", "idle distinct subscriptions", threads, "none per session"},
	{"CPU while 15,000 readers idle, pings every 30 s", "idle readers", cores, "≤ 1 % of a core"},
	{"CPU while 15,000 Shared consumers idle", "idle Shared consumers", cores, "≤ 1 % of a core"},
	{"CPU to open a reader, as fast as it goes", "opening readers", openCPU, "≤ 0.15 ms"},
	{"the same, 1,000 per second", "idle readers", openCPU, ""},
	{"CPU to open a Shared consumer, as fast as it goes", "opening Shared consumers", openCPU, "≤ 0.15 ms"},
	{"the same, 1,000 per second", "idle Shared consumers", openCPU, ""},
	{"CPU to open a consumer with a subscription of its own, as fast as it goes", "opening distinct subscriptions", openCPU, "≤ 0.25 ms"},
	{"publish 100 B, 50 sessions, one topic: per CPU-second", "publish 100 B", perCPU, "≥ 150,000"},
	{"the same, batched", "publish 100 B, batched", perCPU, "≥ 320,000"},
	{"publish 64 KB: per CPU-second", "publish 64 KB", perCPU, "≥ 9,000"},
	{"publish 1 MB: per CPU-second", "publish 1 MB", perCPU, "≥ 700"},
	{"1 batching producer → 4 Shared consumers with acks: deliveries per CPU-second", "1 batching producer to 4 Shared consumers", perCPU, "≥ 190,000"},
	{"10 producers → 50 Shared consumers, unbatched: deliveries per CPU-second", "10 producers to 50 Shared consumers", perCPU, "≥ 85,000"},
	{"1 producer at 20/s → 2,000 readers: deliveries per CPU-second", "2,000 readers at 20/s", perCPU, "≥ 150,000"},
	{"the same: p99 latency", "2,000 readers at 20/s", p99, "≤ 50 ms"},
	{"the same, as fast as it goes: deliveries per CPU-second", "2,000 readers, saturated", perCPU, "≥ 600,000"},
	{"1 producer → 1 consumer at 2,000/s: p50", paced, p50, notBehind},
	{"the same: p99", paced, p99, notBehind},
	{"the same, a broker without check delay: p50", paced + promptly, p50, notBehind},
	{"the same, a broker without check delay: p99", paced + promptly, p99, notBehind},
	{"10 producers → 50 Shared consumers at 10,000/s: p99", "10 producers to 50 Shared consumers at 10,000/s", p99, notBehind},
	{"end to end 1 MB at 20/s: p99", "end to end 1 MB at 20/s", p99, notBehind},
	{"end to end 1 MB, as fast as it goes: p99", "end to end 1 MB", p99, notBehind},
}

// payloads are the trials that differ in the size of the payload.
var payloads = []struct {
	size  string
	bytes float64
	trial string
}{
	{"100 B", 100, "publish 100 B"}, {"1 KB", 1 << 10, "publish 1 KB"}, {"64 KB", 64 << 10, "publish 64 KB"}, {"1 MB", 1 << 20, "publish 1 MB"},
	{"1 KB", 1 << 10, "end to end 1 KB"}, {"64 KB", 64 << 10, "end to end 64 KB"}, {"1 MB", 1 << 20, "end to end 1 MB"},
}

// growth is a row of trials that differ in the number of sessions.
type growth []struct {
	sessions float64
	trial    string
}

var (
	memoryGrowth = growth{
		{1000, "1,000 idle readers"}, {5000, "5,000 idle readers"}, {15_000, "idle readers"}, {100_000, "100,000 idle readers"},
	}
	fanoutGrowth = growth{
		{100, "100 readers at 20/s"}, {500, "500 readers at 20/s"}, {2000, "2,000 readers at 20/s"}, {5000, "5,000 readers at 20/s"},
	}
)

// total is the server's memory with all sessions.
func total(o *bench.Outcome) float64 {
	s := o.Results[len(o.Results)/2].Server
	if s == nil {
		return 0
	}
	return float64(s.MemoryEnd)
}

// perDelivery is the server's CPU time for one delivery, in microseconds.
func perDelivery(o *bench.Outcome) float64 {
	if n := o.PerCPUSecond(); n > 0 {
		return 1e6 / n
	}
	return 0
}
