package bridge

// MaxQuestions bounds the isEndOfTopic commands of one session whose answer is
// not written yet; at the bound its socket is not read.
const MaxQuestions = 100

// Questions counts a session's isEndOfTopic commands. The upstream may have to
// ask the broker, so that happens on a goroutine, at most one a session. The
// session's mutex guards it.
type Questions struct {
	unanswered int32 // received, answer not written
	unasked    int32 // of these, not put to the upstream
	running    bool  // a goroutine puts them
	stopped    bool  // Full has said so, and Resume is owed
}

// Put notes a question and reports that the caller has to start the goroutine.
func (q *Questions) Put() (run bool) {
	q.unanswered++
	q.unasked++
	run = !q.running
	q.running = true
	return run
}

// Asked notes that the goroutine has an answer, and reports that there is more to do for it.
func (q *Questions) Asked() (more bool) {
	q.unasked--
	q.running = q.unasked > 0
	return q.running
}

// Answered notes that an answer was written, and reports that the session is to be resumed.
func (q *Questions) Answered() (resume bool) {
	q.unanswered--
	resume = q.stopped && q.unanswered <= MaxQuestions/2
	if resume {
		q.stopped = false
	}
	return resume
}

// Full reports that the session is to be read no more. Answered tells when it is again.
func (q *Questions) Full() bool {
	if q.unanswered < MaxQuestions {
		return false
	}
	q.stopped = true
	return true
}
