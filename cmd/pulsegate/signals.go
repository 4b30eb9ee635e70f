package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// surviveSignals keeps a server alive through what would end a process of Go's
// without a drain:
//
//   - SIGPIPE: whoever read standard error or output is gone. Writing there fails, the
//     server goes on. It stays ignored until the process ends.
//   - SIGHUP: comes over hangup; one that has not been taken stands for several.
//   - SIGQUIT: all goroutines are printed to w, as a JVM prints its threads.
//
// stop ends the latter two.
func surviveSignals(w io.Writer) (hangup <-chan os.Signal, stop func()) {
	signal.Ignore(syscall.SIGPIPE)
	hup, quit := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(quit, syscall.SIGQUIT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range quit {
			printGoroutines(w)
		}
	}()
	return hup, func() {
		signal.Stop(hup)
		signal.Stop(quit)
		close(quit)
		<-ended
	}
}

// printGoroutines stops the process for as long as it takes to write down the
// stacks, a few milliseconds.
func printGoroutines(w io.Writer) {
	fmt.Fprintln(w, "SIGQUIT: all goroutines")
	_ = pprof.Lookup("goroutine").WriteTo(w, 2)
	fmt.Fprintln(w, "SIGQUIT: end of all goroutines")
}
