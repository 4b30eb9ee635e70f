// Package life says how a connection lives and how it ends: the states it can be in, what
// may happen to it, and, in one table, what each of it does in each state.
//
// It is pure: it decides, and whoever holds the connection does what it says. No
// goroutine runs here and nothing is locked.
package life

// State is where a connection stands.
type State uint8

// The states, in the order of a life.
const (
	// A request is awaited.
	_         State = iota
	Proxy           // the PROXY header is awaited
	Handshake       // the TLS handshake
	Head            // a request is being collected

	// A request is worked on.
	Busy     // a handler works on it
	Answered // its answer is in the output, and not all of it is taken: the next request waits
	Opening  // the bridge opens a session
	Held     // the same, for a client that has ended its direction: it holds a place among those

	// A session.
	Open
	Leaving // its turn to end has come, as the server stops: what it has begun is finished first
	Lost    // its socket is closed, and what came before is still handled

	// A session that we end. Its close frame is to be put in the output, or is there; the
	// peer's is awaited.
	Closing // the frame is asked for
	Parting // the same, and what comes before the peer's frame still counts
	Closed  // the frame is in the output
	Parted  // the same, and what comes before the peer's frame still counts

	// What still comes does not count.
	Last     // the last of the output, an answer or a close frame, is to be put there
	Farewell // the same, and with it the connection ends: the peer has said its last
	Ending   // it is in the output; when it is taken our direction ends, and the peer's is awaited
	Dropping // it is in the output; when it is taken the connection ends
	Half     // our direction has ended
	Over     // both have ended; that the socket is closed is awaited
	Dead     // the socket is closed; the worker is to bury the connection

	Gone // it is buried

	states
)

// Stage is what the deadlines of a connection depend on.
type Stage uint8

// The stages, in the order in which a connection goes through them. From Working it may go
// back to Awaiting; and a session that is Lost is one, even if it was ending.
const (
	Awaiting Stage = iota + 1 // a request
	Working                   // on a request
	Session
	Farewells // a close frame is under way, the peer's is awaited
	Discarding
	Buried
)

// Stage is the stage that s is a part of.
func (s State) Stage() Stage {
	switch {
	case s <= Head:
		return Awaiting
	case s <= Held:
		return Working
	case s <= Lost:
		return Session
	case s <= Parted:
		return Farewells
	case s <= Dead:
		return Discarding
	}
	return Buried
}

// Opens reports whether a session is being opened.
func (s State) Opens() bool { return s == Opening || s == Held }

// Works reports whether a handler's answer is not done with.
func (s State) Works() bool { return s == Busy || s == Answered }

// Listens reports whether a message that comes now counts.
func (s State) Listens() bool {
	return s.Stage() == Session || s == Parting || s == Parted
}

// Decrypts reports whether what comes with TLS is looked at.
func (s State) Decrypts() bool { return s >= Head && s <= Parted }

// Said reports whether a session's close frame is in the output, or nothing can follow there any more.
func (s State) Said() bool {
	return s == Closed || s == Parted || s >= Ending
}

// Attached reports whether a session, if there is one, is kept.
func (s State) Attached() bool { return !s.Said() || s == Parted }

// Shuts reports whether something is to be done once all output is taken.
func (s State) Shuts() bool { return s == Ending || s == Dropping }

// Closed reports whether the socket is known to be closed, and its worker is to see to the rest.
func (s State) Closed() bool { return s == Lost || s == Dead }

// Event is something that happens to a connection.
type Event uint8

// The events.
const (
	// On the way to a session.
	Told    Event = iota // the PROXY header has come; a request follows
	ToldTLS              // the same; a TLS handshake follows
	Secured              // the handshake is complete
	Asked                // a request was handed to its handler
	Wanted               // a session was asked for
	Waits                // a handler's answer is in the output, and not all of it is taken
	Taken                // all of it is taken
	Hold                 // the peer has ended its direction and gets a place among those who wait for a session
	Opened               // the bridge has opened the session

	// We end it.
	Stop  // with a close frame, whose answer is awaited
	Fail  // with a last answer or close frame; what still comes does not count
	Turn  // the session's turn to leave has come
	Leave // it has finished what it began
	Part  // the same, and its client's last messages still count
	Cut   // at once

	// The peer ends it, or the socket does.
	PeerClose // its close frame has come, or no frame can come or go any more
	PeerEnd   // it has ended its direction, and is owed nothing more
	Loss      // the socket is closed, and what came before is still to be handled
	Bury      // the socket is closed, and nothing is left to be handled

	// The output.
	LastOut // the last answer or the close frame is there
	AllSent // all of it is taken

	events
)

// Effect is what is to be done.
type Effect uint8

// The effects. That a session is detached is none: see [State.Attached].
const (
	Frame     Effect = 1 << iota // send a close frame
	Unstall                      // forget input that waited
	ReadOn                       // read: the peer's answer may stand behind what was not taken
	GivePlace                    // give the place back that Hold took
	ShutWrite                    // end our direction
	HangUp                       // end both
)

// Next is what e makes of s, and what is to be done. An event that means nothing in s
// leaves it.
func (s State) Next(e Event) (State, Effect) {
	m := &table[s][e]
	if m.to == 0 {
		return s, 0
	}
	return m.to, m.do
}

type move struct {
	to State
	do Effect
}

// table is what each event does in each state. What is left out does nothing.
var table = [states][events]move{
	Proxy: {
		Told:    {Head, 0},
		ToldTLS: {Handshake, 0},
		Fail:    {Last, Unstall},
		Cut:     {Over, HangUp},
		PeerEnd: {Dropping, 0},
		Bury:    {Gone, 0},
	},
	Handshake: {
		Secured: {Head, 0},
		Fail:    {Last, Unstall},
		Cut:     {Over, HangUp},
		PeerEnd: {Dropping, 0},
		Bury:    {Gone, 0},
	},
	Head: {
		Asked:   {Busy, 0},
		Wanted:  {Opening, 0},
		Fail:    {Last, Unstall},
		Cut:     {Over, HangUp},
		PeerEnd: {Dropping, 0},
		Bury:    {Gone, 0},
	},
	Busy: { // its answer is owed, whether the peer has ended its direction or not
		Waits:   {Answered, 0},
		Taken:   {Head, Unstall},
		LastOut: {Ending, 0},
		Fail:    {Last, Unstall},
		Cut:     {Over, HangUp},
		Bury:    {Gone, 0},
	},
	Answered: {
		Taken:   {Head, Unstall},
		LastOut: {Ending, 0},
		Fail:    {Last, Unstall},
		Cut:     {Over, HangUp},
		Bury:    {Gone, 0},
	},
	Opening: {
		Hold:    {Held, 0},
		Opened:  {Open, Unstall},
		Fail:    {Last, Unstall},
		Cut:     {Over, HangUp},
		PeerEnd: {Dropping, 0}, // there was no place for it
		Bury:    {Gone, 0},
	},
	Held: {
		Opened: {Open, Unstall | GivePlace},
		Fail:   {Last, Unstall | GivePlace},
		Cut:    {Over, HangUp | GivePlace},
		Bury:   {Gone, GivePlace},
	},
	Open: {
		Stop:      {Closing, Frame | Unstall},
		Fail:      {Last, Frame | Unstall},
		Turn:      {Leaving, 0},
		Cut:       {Over, HangUp},
		PeerClose: {Farewell, Frame | Unstall},
		PeerEnd:   {Farewell, Frame | Unstall},
		LastOut:   {Closed, Unstall | ReadOn}, // the bridge has asked for the frame
		Loss:      {Lost, 0},
		Bury:      {Gone, 0},
	},
	Leaving: {
		Stop:      {Closing, Frame | Unstall},
		Fail:      {Last, Frame | Unstall},
		Leave:     {Closing, Frame | Unstall},
		Part:      {Parting, Frame},
		Cut:       {Over, HangUp},
		PeerClose: {Farewell, Frame | Unstall},
		PeerEnd:   {Farewell, Frame | Unstall},
		LastOut:   {Closed, Unstall | ReadOn},
		Loss:      {Lost, 0},
		Bury:      {Gone, 0},
	},
	Lost: { // whatever ends it, there is nobody to be told
		Stop:      {Dead, Unstall},
		Fail:      {Dead, Unstall},
		Cut:       {Dead, Unstall},
		PeerClose: {Dead, Unstall},
		PeerEnd:   {Dead, Unstall},
		Bury:      {Gone, 0},
	},
	Closing: {
		Fail:      {Last, Frame | Unstall},
		Cut:       {Over, HangUp},
		PeerClose: {Farewell, Frame | Unstall},
		PeerEnd:   {Last, 0},
		LastOut:   {Closed, 0},
		Bury:      {Gone, 0},
	},
	Parting: {
		Stop:      {Closing, Unstall}, // the frame is under way already
		Fail:      {Last, Frame | Unstall},
		Cut:       {Over, HangUp},
		PeerClose: {Farewell, Frame | Unstall},
		PeerEnd:   {Last, 0},
		LastOut:   {Parted, 0},
		Loss:      {Lost, 0},
		Bury:      {Gone, 0},
	},
	Closed: {
		Fail:      {Ending, Unstall},
		Cut:       {Over, HangUp},
		PeerClose: {Dropping, Unstall},
		PeerEnd:   {Dropping, 0},
		Bury:      {Gone, 0},
	},
	Parted: {
		Stop:      {Closed, Unstall},
		Fail:      {Ending, Unstall},
		Cut:       {Over, HangUp},
		PeerClose: {Dropping, Unstall},
		PeerEnd:   {Dropping, 0},
		Loss:      {Lost, 0},
		Bury:      {Gone, 0},
	},
	Last: {
		Cut:     {Over, HangUp},
		LastOut: {Ending, 0},
		Bury:    {Gone, 0},
	},
	Farewell: {
		Cut:     {Over, HangUp},
		LastOut: {Dropping, 0},
		Bury:    {Gone, 0},
	},
	Ending: {
		Cut:     {Over, HangUp},
		AllSent: {Half, ShutWrite},
		Bury:    {Gone, 0},
	},
	Dropping: {
		Cut:     {Over, HangUp},
		AllSent: {Over, HangUp},
		Bury:    {Gone, 0},
	},
	Half: {
		Cut:  {Over, HangUp},
		Bury: {Gone, 0},
	},
	Over: {
		Cut:  {Over, HangUp}, // it may not have helped
		Bury: {Gone, 0},
	},
	Dead: {
		Bury: {Gone, 0},
	},
}
