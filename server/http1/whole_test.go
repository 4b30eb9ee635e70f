package http1

import (
	"net/http/httptest"
	"regexp"
	"testing"
)

// TestWhole compares a response that many get with one that is recorded for each: it is the same, its bytes are there once,
// and nobody changes them.
func TestWhole(t *testing.T) {
	record := func() *Recorder {
		r := &Recorder{}
		WriteReason(r, 418, "a teapot")
		return r
	}
	w := record().Whole()
	date := regexp.MustCompile("Date: [^\r]*")
	for _, noBody := range []bool{false, true} {
		for _, closes := range []bool{false, true} {
			for _, before := range []string{"", "before"} {
				var a, b Recorder
				w.Answer(&a)
				w.Answer(&b)
				got := a.Append([]byte(before), noBody, closes)
				want := record().Append([]byte(before), noBody, closes)
				if g, w := date.ReplaceAll(got, nil), date.ReplaceAll(want, nil); string(g) != string(w) {
					t.Errorf("%q, expected %q", g, w)
				}
				again := b.Append(nil, noBody, closes)
				if before == "" && !noBody && &got[0] != &again[0] {
					t.Error("each has bytes of its own")
				}
				text := string(again)
				_ = append(append(got, "behind"...), got...)
				if string(b.Append(nil, noBody, closes)) != text {
					t.Error("one answer has changed another")
				}
				if a.Status != 418 || a.Reason != "a teapot" {
					t.Errorf("%d %s", a.Status, a.Reason)
				}
			}
		}
	}
	other := httptest.NewRecorder()
	w.Answer(other)
	if other.Code != 418 || other.Body.String() != `{"reason":"a teapot"}` || other.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", other.Code, other.Header(), other.Body)
	}
	var one, two Recorder
	w.Answer(&one)
	one.Header().Set("X-More", "1")
	if w.Answer(&two); two.Header().Get("X-More") != "" {
		t.Error("one's header is another's")
	}
}
