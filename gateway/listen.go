package gateway

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/pulsegate/pulsegate/server"
)

// explainListen says what to do about an address at which nothing can be served.
func explainListen(err error) error {
	var failed *server.ListenError
	if !errors.As(err, &failed) {
		return err
	}
	key := "webServicePort"
	if failed.TLS {
		key = "webServicePortTls"
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program has this port; choose one that is free with --set %s=PORT, or let the system choose with --set %s=0", err, key, key)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: this user may not open the port; choose one from 1024 on with --set %s=PORT, or give the process the capability CAP_NET_BIND_SERVICE", err, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have the address; see bindAddress", err)
	}
	return err
}
