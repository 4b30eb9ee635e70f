package route

import (
	"testing"
	"unsafe"
)

// A session keeps its names for as long as it is open, and the path is a part of a whole request.
func TestRequestKeepsNothingOfThePath(t *testing.T) {
	path := string([]byte("/ws/v2/consumer/persistent/public/default/topic/subscription"))
	r, err := Parse(path, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	from := uintptr(unsafe.Pointer(unsafe.StringData(path)))
	for _, name := range []string{r.Consumer.Topic, r.Consumer.Subscription} {
		if at := uintptr(unsafe.Pointer(unsafe.StringData(name))); at >= from && at < from+uintptr(len(path)) {
			t.Errorf("%q is a part of the path", name)
		}
	}
}
