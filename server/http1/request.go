package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// ReadRequest parses a head that was checked.
func ReadRequest(head, body []byte) (*http.Request, error) {
	br := readers.Get().(*bufio.Reader)
	br.Reset(bytes.NewReader(head))
	req, err := http.ReadRequest(br)
	br.Reset(nil)
	readers.Put(br)
	if err != nil {
		return nil, err
	}
	req.Body, req.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(bytes.Clone(body)))
	}
	return req, nil
}

// KeepsAlive reports whether the client wants to send more behind the request.
func (h *Head) KeepsAlive(header http.Header) bool {
	return h.HTTP11 && !hasConnectionToken(header, "close")
}

func hasConnectionToken(header http.Header, token string) bool {
	return hasToken(header["Connection"], token)
}

// hasToken reports whether one of the values, each a list separated by commas,
// has the token in any case.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
