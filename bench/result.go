//go:build linux

package bench

import (
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// Result is what a run has seen. Latencies are in milliseconds, rates per second
// of the measurement, CPU in seconds, memory in bytes.
type Result struct {
	Scenario    string    `json:"scenario"`
	Target      string    `json:"target"`
	Started     time.Time `json:"started"`
	Interrupted bool      `json:"interrupted"` // by Ctrl-C: what follows is what was seen until then
	Seconds     float64   `json:"seconds"`     // length of the measurement
	Load        Load      `json:"load"`

	Sessions  Sessions          `json:"sessions"`
	Messages  Messages          `json:"messages"`
	Rates     Rates             `json:"rates"`
	Latency   Latencies         `json:"latency"`
	Server    *Server           `json:"server,omitempty"` // only with a pid or a URL to scrape
	Generator Generator         `json:"generator"`
	Kernel    *Kernel           `json:"kernel,omitempty"` // only with many sessions
	Faults    map[string]uint64 `json:"faults"`           // what went wrong in words, and how often
	Series    []Second          `json:"series"`
}

// Load is what the run was asked to do.
type Load struct {
	Groups   []GroupLoad `json:"groups"`
	Topics   int         `json:"topics"`
	Sources  int         `json:"sources,omitempty"` // addresses that were connected from, if they were chosen
	Payload  int         `json:"payloadBytes"`
	Rate     float64     `json:"rate"` // messages per second; 0: closed loop
	Window   int         `json:"window"`
	Backlog  int         `json:"backlog,omitempty"`
	RampUp   float64     `json:"rampUpSeconds"`
	WarmUp   float64     `json:"warmUpSeconds"`
	Duration float64     `json:"durationSeconds"`
}

// GroupLoad is a group of sessions.
type GroupLoad struct {
	Name     string `json:"name"`
	Kind     Kind   `json:"kind"`
	Sessions int    `json:"sessions"`
	Opened   int    `json:"opened"` // openings that succeeded, again and again with a lifetime
	Failed   int    `json:"failed"`
}

// Sessions is what became of them, from the first opening to the last close.
type Sessions struct {
	Asked    int     `json:"asked"`
	Open     int     `json:"open"` // at the end of the measurement
	Opened   uint64  `json:"opened"`
	Failed   uint64  `json:"failed"`
	Dropped  uint64  `json:"dropped"`
	Ended    uint64  `json:"ended"` // at the end of their lifetime
	RampUp   float64 `json:"rampUpSeconds"`
	PerSec   float64 `json:"openedPerSecondInRampUp"`
	ChurnSec float64 `json:"openedPerSecondInMeasurement"`
}

// Messages are counted over the whole run, warm-up and drain included.
type Messages struct {
	Sent       uint64 `json:"sent"`
	Confirmed  uint64 `json:"confirmed"`
	Errors     uint64 `json:"errors"`     // answered with an error
	Unanswered uint64 `json:"unanswered"` // never answered
	Unsent     uint64 `json:"unsent"`     // due, but the window was full until the end
	Stray      uint64 `json:"strayReplies"`
	Late       uint64 `json:"lateReplies"` // behind that of a later message

	Received  uint64 `json:"received"`
	Expected  uint64 `json:"expected"`  // deliveries that the confirmed messages call for
	Delivered uint64 `json:"delivered"` // different messages, per subscription or reader
	// Lost messages did not come until the end of the drain. Of them, NotYet are
	// behind the last that came: a longer drain might have seen them.
	Lost        uint64 `json:"lost"`
	NotYet      uint64 `json:"notYet"`
	Repeated    uint64 `json:"repeated"`
	Reordered   uint64 `json:"reordered"`
	Redelivered uint64 `json:"redelivered"` // had a redelivery count
	Foreign     uint64 `json:"foreign"`     // were not of this run
	BadFrames   uint64 `json:"badFrames"`
}

// Rates are per second of the measurement.
type Rates struct {
	Published float64 `json:"published"`
	Received  float64 `json:"received"`
	BytesIn   float64 `json:"bytesIn"`
	BytesOut  float64 `json:"bytesOut"`
}

// Latencies of the measurement.
type Latencies struct {
	Open     Latency `json:"open"`     // from when a session was to open to the answer
	Publish  Latency `json:"publish"`  // from when a message was due to its confirmation
	EndToEnd Latency `json:"endToEnd"` // from when a message was due to its receipt
}

// Latency is a distribution.
type Latency struct {
	measure.Percentiles
	Distribution []measure.Point `json:"distribution,omitempty"`
}

// Server is what the load has cost.
type Server struct {
	PIDs              []int   `json:"pids,omitempty"`
	CPUSeconds        float64 `json:"cpuSeconds"` // in the measurement
	UserSeconds       float64 `json:"userSeconds,omitempty"`
	SystemSeconds     float64 `json:"systemSeconds,omitempty"`
	Cores             float64 `json:"cores"` // CPU seconds per second
	PublishedPerCPU   float64 `json:"publishedPerCPUSecond"`
	ReceivedPerCPU    float64 `json:"receivedPerCPUSecond"`
	OpenCPUMillis     float64 `json:"cpuMillisPerOpenedSession"` // in the ramp-up
	MemoryBefore      int64   `json:"memoryBefore"`
	MemoryOpen        int64   `json:"memoryWithSessions"` // before the measurement
	MemoryEnd         int64   `json:"memoryAtEnd"`        // of the measurement
	BytesPerSession   float64 `json:"bytesPerSession"`    // from before the first to the end of the measurement
	Threads           int     `json:"threads,omitempty"`
	Descriptors       int     `json:"descriptors,omitempty"`
	DescriptorsBefore int     `json:"descriptorsBefore,omitempty"`
	MostDescriptors   int     `json:"mostDescriptors,omitempty"` // of one process
	// Metrics are the scraped ones: what they were at the end of the measurement,
	// and how much they grew in it.
	Metrics map[string]Metric `json:"metrics,omitempty"`
	Trouble string            `json:"trouble,omitempty"` // why something is missing
}

// Metric is a scraped metric, summed over its labels.
type Metric struct {
	Value float64 `json:"value"`
	Grown float64 `json:"grown"`
}

// Generator is what the load generator itself has used.
type Generator struct {
	Processes   int     `json:"processes"`
	Cores       float64 `json:"cores"`
	BusiestLoop float64 `json:"busiestLoop"` // share of a core
	Memory      int64   `json:"memory"`      // anonymous, with all sessions open
	// BytesPerSession is how much of it came with them; 0: too few to tell.
	BytesPerSession float64  `json:"bytesPerSession,omitempty"`
	MachineIdle     float64  `json:"machineIdle"` // share of all processors
	LateP99         float64  `json:"lateP99"`     // how late the loops came to messages that were due, ms
	Limit           bool     `json:"limit"`       // the figures say more of the generator or the machine than of the server
	Warnings        []string `json:"warnings,omitempty"`
}

// Kernel is what this machine's kernel has had for the sessions, the server's ends included if it
// runs here, from before the first session to the beginning of the measurement. Other programs'
// doings are in it.
type Kernel struct {
	Memory          int64          `json:"memory"` // bytes grown by
	BytesPerSession float64        `json:"bytesPerSession"`
	Slabs           []measure.Slab `json:"slabs,omitempty"`   // the pools that grew most; root only
	Sockets         int            `json:"sockets"`           // TCP, of all programs
	Available       int64          `json:"available"`         // memory left to programs
	MostBuffers     int64          `json:"mostSocketBuffers"` // bytes, at any time until the end of the drain
}

// Second is what happened in about a second.
type Second struct {
	Phase     string              `json:"phase"`
	At        float64             `json:"at"` // its end, in seconds since the run began
	Span      float64             `json:"span"`
	Open      int                 `json:"open"`
	Opened    uint64              `json:"opened"`
	Failed    uint64              `json:"failed"`
	Confirmed uint64              `json:"confirmed"`
	Errors    uint64              `json:"errors"`
	Received  uint64              `json:"received"`
	Backlog   uint64              `json:"backlog"` // messages due that the window held back
	Publish   measure.Percentiles `json:"publish"`
	EndToEnd  measure.Percentiles `json:"endToEnd"`
	Opening   measure.Percentiles `json:"opening"`
	ServerCPU float64             `json:"serverCores,omitempty"`
	Memory    int64               `json:"serverMemory,omitempty"`
	// Threads and Descriptors are the server's.
	Threads     int     `json:"serverThreads,omitempty"`
	Descriptors int     `json:"serverDescriptors,omitempty"`
	OwnCPU      float64 `json:"generatorCores"`
}

// Faulty reports whether the server failed at anything it was asked for.
func (r *Result) Faulty() bool {
	m, s := &r.Messages, &r.Sessions
	return s.Failed+s.Dropped+m.Errors+m.Unanswered+m.Stray+m.Late+m.Lost+m.Repeated+m.Reordered+m.BadFrames > 0
}
