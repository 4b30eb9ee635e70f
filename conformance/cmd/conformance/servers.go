//go:build pulsar

package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
)

// servers stands for a test where the packages that start servers want one: it
// collects what has to be ended. It may be used from several goroutines.
type servers struct {
	testing.TB // nil: only the methods below are called

	mu       sync.Mutex
	cleanups []func()
	failed   bool
}

// end runs the cleanups, last first.
func (s *servers) end() {
	s.mu.Lock()
	cleanups := s.cleanups
	s.cleanups = nil
	s.mu.Unlock()
	for i := len(cleanups) - 1; i >= 0; i-- {
		cleanups[i]()
	}
}

func (s *servers) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *servers) TempDir() string {
	dir, err := os.MkdirTemp("", "pulsegate-conformance-")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *servers) Helper() {}

func (s *servers) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *servers) Log(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (s *servers) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (s *servers) Error(args ...any) {
	s.mu.Lock()
	s.failed = true
	s.mu.Unlock()
	s.Log(args...)
}

func (s *servers) Errorf(format string, args ...any) { s.Error(fmt.Sprintf(format, args...)) }

// Fatal ends the goroutine that asked for a server, as a test's Fatal does.
func (s *servers) Fatal(args ...any) {
	s.Error(args...)
	runtime.Goexit()
}

func (s *servers) Fatalf(format string, args ...any) { s.Fatal(fmt.Sprintf(format, args...)) }
