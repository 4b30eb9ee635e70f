package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	minSecret  = 32   // bytes, RFC 7518 section 3.2
	minModulus = 2048 // bits, RFC 7518 section 3.3
)

// verifier is a key with the algorithms it may be used for (RFC 8725 section
// 3.1): whatever else a token's header names is refused. It is not changed.
type verifier struct {
	key        any // []byte or a public key
	algorithms map[string]bool
}

func algorithms(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return set
}

// secretVerifier takes the bytes of an HMAC secret.
func secretVerifier(secret []byte) (*verifier, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes; at least %d are needed", len(secret), minSecret)
	}
	if block, _ := pem.Decode(secret); block != nil {
		return nil, errors.New("this is a PEM file, not the bytes of a secret; a public key goes in tokenPublicKey")
	}
	names := []string{"HS256"}
	if len(secret) >= 48 {
		names = append(names, "HS384")
	}
	if len(secret) >= 64 {
		names = append(names, "HS512")
	}
	return &verifier{append([]byte(nil), secret...), algorithms(names...)}, nil
}

// publicVerifier takes a public key in PKIX form, DER or PEM, that must be of
// the kind that alg is for.
func publicVerifier(alg string) func([]byte) (*verifier, error) {
	return func(data []byte) (*verifier, error) {
		key, err := parsePublicKey(data)
		if err != nil {
			return nil, err
		}
		switch key := key.(type) {
		case *rsa.PublicKey:
			if !strings.HasPrefix(alg, "RS") && !strings.HasPrefix(alg, "PS") {
				return nil, fmt.Errorf("it is an RSA key, but tokenPublicAlg is %s", alg)
			}
			if key.N.BitLen() < minModulus {
				return nil, fmt.Errorf("the RSA key has %d bits; at least %d are needed", key.N.BitLen(), minModulus)
			}
			return &verifier{key, algorithms("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")}, nil
		case *ecdsa.PublicKey:
			if !strings.HasPrefix(alg, "ES") {
				return nil, fmt.Errorf("it is an EC key, but tokenPublicAlg is %s", alg)
			}
			name, ok := curves[key.Curve]
			if !ok {
				return nil, errors.New("the EC key is on none of the curves P-256, P-384 and P-521")
			}
			return &verifier{key, algorithms(name)}, nil
		}
		return nil, errors.New("it is neither an RSA nor an EC key")
	}
}

// curves are the algorithms of RFC 7518 section 3.4.
var curves = map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}

func parsePublicKey(data []byte) (crypto.PublicKey, error) {
	if block, _ := pem.Decode(data); block != nil {
		if strings.Contains(block.Type, "PRIVATE") {
			return nil, errors.New("this is a private key; only the public one is needed here")
		}
		data = block.Bytes
	}
	key, err := x509.ParsePKIXPublicKey(data)
	if err != nil {
		return nil, errors.New("it is not a public key in PKIX form, DER or PEM")
	}
	return key, nil
}

// knownAlgorithm reports whether name may be the value of tokenPublicAlg.
func knownAlgorithm(name string) bool {
	m := jwt.GetSigningMethod(name)
	if m == nil {
		return false
	}
	switch name[:2] {
	case "RS", "PS", "ES":
		return true
	}
	return false
}
