package bridge

// maxQuestions bounds the isEndOfTopic commands of one session whose answer is
// not written yet; at the bound its socket is not read.
const maxQuestions = 100

// questions counts a session's isEndOfTopic commands. The upstream may have to
// ask the broker, so that happens on a goroutine, at most one a session. The
// session's mutex guards it.
type questions struct {
	unanswered int  // received, answer not written
	unasked    int  // of these, not put to the upstream
	running    bool // a goroutine puts them
	stopped    bool // full has said so, and Resume is owed
}

// put notes a question and reports that the caller has to start the goroutine.
func (q *questions) put() (run bool) {
	q.unanswered++
	q.unasked++
	run = !q.running
	q.running = true
	return run
}

// asked notes that the goroutine has an answer, and reports that there is more to do for it.
func (q *questions) asked() (more bool) {
	q.unasked--
	q.running = q.unasked > 0
	return q.running
}

// answered notes that an answer was written, and reports that the session is to be resumed.
func (q *questions) answered() (resume bool) {
	q.unanswered--
	resume = q.stopped && q.unanswered <= maxQuestions/2
	if resume {
		q.stopped = false
	}
	return resume
}

func (q *questions) full() bool {
	if q.unanswered < maxQuestions {
		return false
	}
	q.stopped = true
	return true
}
