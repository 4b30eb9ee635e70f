// Package port finds TCP ports for servers that a test starts and restarts, and for those that are not there.
package port

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range lies below the one that systems take the local ports of outgoing connections from: a server that is
// restarted must find its port free again, so no client that reconnects meanwhile may be given it.
const (
	first = 20000
	last  = 31999
)

// Free returns n different TCP ports that nothing listens on.
func Free(n int) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range 1000 {
		port := first + rand.IntN(last-first+1)
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue // in use
		}
		held = append(held, l)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("find free ports: none between 20000 and 31999")
}
