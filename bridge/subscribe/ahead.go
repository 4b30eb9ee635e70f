package subscribe

import "github.com/pulsegate/pulsegate/codec"

// What may be queued for one session whose socket takes it slowly, whatever
// its window: so many bytes of memory, as far as can be
// told before they come, and so many messages; while no message has come, which may be
// large, firstAhead.
const (
	aheadBytes    = 1 << 20
	aheadMessages = 128
	firstAhead    = 16
)

// ahead estimates how many messages may be on their way to one session, from
// the sizes of those that came. Its owner's mutex guards it.
type ahead struct{ average int }

// note takes a message that came.
func (a *ahead) note(m *codec.Message) {
	size := m.Memory()
	if a.average == 0 {
		a.average = size
	}
	a.average += (size - a.average) / 8
	// A large one counts at once: too few under way only cost a little speed.
	a.average = max(a.average, size/4)
}

// count is how many messages may be on their way where one holder may have
// allowance bytes.
func (a *ahead) count(allowance int) int {
	if a.average == 0 {
		return firstAhead
	}
	return max(1, min(aheadMessages, min(aheadBytes, allowance)/a.average))
}
