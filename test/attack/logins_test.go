//go:build pulsar && linux

package attack

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/conformance"
)

// Failed logins are for those who fail: the victims come from the same address, with tokens that are valid.
var loginAttacks = []attack{
	// Hundreds a second: tokens of another key, cut off, or none at all, and wrong passwords.
	{name: "bad tokens and passwords from the victims' address", tokens: true, connections: 4, run: func(h *hostile) error {
		good := conformance.Token("someone")
		h.begin()
		at := make([]int, 4)
		h.each(len(at), func(i int) error {
			at[i]++
			if i == 0 {
				user := fmt.Appendf(nil, "alice:%d", at[i])
				return h.login("Authorization: Basic " + base64.StdEncoding.EncodeToString(user))
			}
			return h.login("Authorization: Bearer " + [...]string{good[:len(good)-2] + "xx", good[:40], "nonsense", strings.Repeat("a.", 1000)}[at[i]%4])
		})
		return nil
	}},
}

// login tries to open a session that is refused. That it is is no refusal to count.
func (h *hostile) login(line string) error {
	nc, _, err := h.open(h.producer(0), line)
	if err == nil {
		h.drop(nc)
		h.fail(fmt.Errorf("a session was opened with %.40q", line))
	}
	h.did.Add(1)
	h.pause(5 * time.Millisecond)
	return nil
}

// logins makes a gateway ask for tokens, and returns one that is valid.
func logins(conf map[string]string) (token string) {
	secure := conformance.SecureServer()
	for _, key := range []string{"authorizationEnabled", "brokerClientAuthenticationPlugin", "brokerClientAuthenticationParameters", "authorizationCacheMillis"} {
		delete(secure, key)
	}
	maps.Copy(conf, secure)
	conf["authenticationRefreshCheckSeconds"] = "60"
	return conformance.Token("victim")
}
