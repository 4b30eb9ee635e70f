// Package port finds TCP ports for servers that a test starts and restarts.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
)

// span are ports from one to another, with both.
type span struct{ first, last int }

// ours are the ports to take. Where Linux has its defaults they lie below the local ports of outgoing connections: a server that
// is restarted must find its port free again, so no client that reconnects meanwhile may be given it.
var ours = span{20000, 31999}

const sysctls = "/proc/sys/net/ipv4/"

// Free returns n different TCP ports that nothing listens on, and that no outgoing connection is given.
func Free(n int) ([]int, error) {
	local, err := os.ReadFile(sysctls + "ip_local_port_range")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // other systems have none
		return nil, fmt.Errorf("find free ports: %w", err)
	}
	reserved, err := os.ReadFile(sysctls + "ip_local_reserved_ports")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("find free ports: %w", err)
	}
	if err := apart(string(local), string(reserved)); err != nil {
		return nil, fmt.Errorf("find free ports: %w", err)
	}
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range 1000 {
		port := ours.first + rand.IntN(ours.last-ours.first+1)
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue // in use
		}
		held = append(held, l)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("find free ports: none between %d and %d", ours.first, ours.last)
}

// apart returns an error if the system gives outgoing connections ports of ours: those of local that are not reserved. Both are
// what Linux says of itself, such as "1024\t65535\n" and "8080,20000-31999\n", or empty.
func apart(local, reserved string) error {
	if local == "" {
		return nil
	}
	var from, to int
	if _, err := fmt.Sscan(local, &from, &to); err != nil {
		return fmt.Errorf("net.ipv4.ip_local_port_range is %q: %w", local, err)
	}
	kept, err := spans(reserved)
	if err != nil {
		return err
	}
	for port := max(from, ours.first); port <= min(to, ours.last); port++ {
		if !kept.hold(port) {
			return fmt.Errorf("outgoing connections are given ports from %d to %d, such as %d, and a server that is restarted may find its own taken: "+
				"sysctl -w net.ipv4.ip_local_reserved_ports=%d-%d, with those that it has already, keeps them free",
				from, to, port, ours.first, ours.last)
		}
	}
	return nil
}

type spanList []span

func (l spanList) hold(port int) bool {
	for _, s := range l {
		if s.first <= port && port <= s.last {
			return true
		}
	}
	return false
}

// spans reads ports such as "8080,20000-31999".
func spans(text string) (list spanList, err error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isSpan := strings.Cut(part, "-")
		if !isSpan {
			to = from
		}
		var s span
		if s.first, err = strconv.Atoi(from); err == nil {
			s.last, err = strconv.Atoi(to)
		}
		if err != nil {
			return nil, fmt.Errorf("net.ipv4.ip_local_reserved_ports is %q: %w", text, err)
		}
		list = append(list, s)
	}
	return list, nil
}
