package auth

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// keySet are the public keys of an issuer (RFC 7517), by their ids. It is not changed.
type keySet struct {
	byID    map[string]*verifier
	skipped int               // keys that are not for signatures we take
	sum     [sha256.Size]byte // of what it was read from
}

var errNoKeySet = errors.New(`there is no list of "keys" in it`)

// parseKeySet takes the keys that may sign tokens, each with the algorithms it may be
// used for. Others are skipped: an issuer may have keys for what is none of our business.
func parseKeySet(data []byte) (*keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &raw); err != nil || raw.Keys == nil {
		return nil, errNoKeySet
	}
	set := &keySet{byID: map[string]*verifier{}, sum: sha256.Sum256(data)}
	for _, text := range raw.Keys {
		id, v := parseKey(text)
		if v == nil || set.byID[id] != nil { // of two with one id the first counts, as in Java
			set.skipped++
			continue
		}
		set.byID[id] = v
	}
	return set, nil
}

// parseKey returns nil for a key that is not for signatures we take, or that no
// token can name.
func parseKey(text []byte) (id string, v *verifier) {
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(text); err != nil || key.KeyID == "" || key.Use != "" && key.Use != "sig" {
		return "", nil
	}
	v = issuerVerifier(key.Key)
	if v == nil || key.Algorithm != "" && !v.algorithms[key.Algorithm] {
		return "", nil
	}
	if key.Algorithm != "" {
		v.algorithms = algorithms(key.Algorithm)
	}
	return key.KeyID, v
}

// issuerVerifier binds a key to the algorithms of Pulsar's AuthenticationProviderOpenID.
func issuerVerifier(key any) *verifier {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= minModulus {
			return &verifier{key, algorithms("RS256", "RS384", "RS512")}
		}
	case *ecdsa.PublicKey:
		if name, ok := curves[key.Curve]; ok {
			return &verifier{key, algorithms(name)}
		}
	}
	return nil
}

// providerMetadata is what of an issuer's configuration document counts here (OpenID
// Connect Discovery 1.0 section 3).
type providerMetadata struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

// parseMetadata takes the configuration document of an issuer.
func parseMetadata(data []byte, issuer string) (providerMetadata, error) {
	var m providerMetadata
	if err := json.Unmarshal(data, &m); err != nil {
		return m, errors.New("it is not the JSON of an OpenID Connect provider")
	}
	switch {
	case m.Issuer != issuer:
		return m, fmt.Errorf("it names the issuer %.200q, not this one: the two must match exactly", m.Issuer)
	case m.JWKSURI == "":
		return m, errors.New("it names no jwks_uri")
	}
	return m, nil
}
