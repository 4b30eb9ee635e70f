package auth

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Numbers in a token are times, whatever they are: none of them lets in a token that
// has run out, or does harm.
func TestNumbersInTokens(t *testing.T) {
	p := tokens(t, TokenOptions{SecretKey: dataURL(secret), ClockSkew: time.Hour})
	for _, n := range []string{
		"0", "1", "-1", "0.5", "2147483647", "2147483648", "-2147483648", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "1e18", "1e19", "1e300", "-1e300", "1e-300", "253402300799",
	} {
		for _, claim := range []string{"exp", "nbf", "iat"} {
			token := sign(jwt.SigningMethodHS256, secret, "sub", "me", claim, json.Number(n))
			who, err := p.authenticate(t.Context(), &Request{Authorization: "Bearer " + token})
			if err != nil && !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("%s %s: %v", claim, n, err)
			}
			if err == nil && !who.Expires.IsZero() && !time.Now().Before(who.Expires) {
				t.Errorf("%s %s: let in until %v", claim, n, who.Expires)
			}
		}
	}
}
