//go:build !linux

// Command pulsegate-bench needs Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "pulsegate-bench needs Linux: its event loop is epoll, and costs are read from /proc")
	os.Exit(2)
}
