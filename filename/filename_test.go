package filename

import (
	"errors"
	"strings"
	"testing"
)

func TestFault(t *testing.T) {
	err := errors.New("open it")
	for _, path := range []string{
		"/etc/pulsegate/key.pem", "key", "conf/" + strings.Repeat("a", 60) + ".pem", "", "file:///etc/pulsegate/key",
		"/etc/pulsegate/Production/eu-west-1/TokenSigningKeys/current", "file:///etc/pulsegate/Production/eu-west-1/TokenSigningKeys/current",
		"deploy/production/eu-west-1/message-encryption/keys", "../Deploy/Production/EU-West-1/MessageEncryption/Keys",
		"conf.d/Production/EU-West-1/MessageEncryption/WebSocket", "ProductionWebSocketGatewayCertificate2027.truststore",
	} {
		if got := Fault(err, path); got != err {
			t.Errorf("%q: %v", path, got)
		}
	}
	for _, secret := range []string{
		"-----BEGIN PRIVATE KEY-----\nMC4C\n", "-----BEGIN PRIVATE KEY-----", " Data:application/x-pem-file;base64,MC4C", "base64:MC4C", `{"client_secret":"x"}`,
		"MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/" + strings.Repeat("a/", longest/2),
		"mVkR0Q/xv7kq2c5bq4d1n/0T3yq9uJcE8u5sYwz1oA8=", "/VkR0Q/xv7kq2c5bq4d1n/0T3yq9uJcE8u5sYwz1oA8=", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
		"file:///MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		token, token[:strings.LastIndexByte(token, '.')+1], "token:" + token, "file:" + token, "/" + token,
	} {
		if got := Fault(err, "/etc/cert.pem", secret); got != ErrNone {
			t.Errorf("%q: %v", secret, got)
		}
		if Fault(nil, secret) != nil {
			t.Error("a fault where there is none")
		}
	}
}

// token is a JSON web token.
const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.dW5zaWduZWQtYnV0LWFzLWxvbmctYXMtb25lLXRoYXQtaXM"
