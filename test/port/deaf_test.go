//go:build unix

package port

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestDeaf(t *testing.T) {
	at := Deaf(t).String()
	if _, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("who calls is told %v", err)
	}
	if l, err := net.Listen("tcp", at); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("who wants to listen there is told %v", err)
		if err == nil {
			l.Close()
		}
	}
}
