package codec

import (
	"runtime"
	"strings"
	"testing"
)

// However often a frame has a payload, it takes memory in the size of the frame.
func TestRepeatedPayload(t *testing.T) {
	const size = 1 << 20
	for _, one := range []string{`"payload":"",`, `"payload":"` + strings.Repeat("AAAA", quotedBlock/2) + `",`} {
		frame := []byte("{" + strings.Repeat(one, size/len(one)) + `"payload":"aGk="}`)
		var before, after runtime.MemStats
		var req SendRequest
		runtime.ReadMemStats(&before)
		err := DecodeSend(frame, &req)
		runtime.ReadMemStats(&after)
		if err != nil || string(req.Payload) != "hi" {
			t.Fatal(err, string(req.Payload))
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 2*size {
			t.Errorf("a frame of %d bytes took %d", len(frame), got)
		}
	}
}
