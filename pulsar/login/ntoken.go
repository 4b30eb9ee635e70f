package login

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/filename"
)

// nTokenLife is how long a principal token of ours is valid.
const nTokenLife = time.Hour

// nTokenBase64 is Athenz's base64, with other characters for + / and =.
var nTokenBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._").WithPadding('-')

// lookupTimeout bounds how long this machine's address is looked up.
const lookupTimeout = 2 * time.Second

// ownMachine is the name and the address of this machine, as fields of a principal token. What is not known is left out.
func ownMachine() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	if ip := ownIPv4(host, net.DefaultResolver.LookupHost); ip != "" {
		return ";h=" + host + ";i=" + ip
	}
	return ";h=" + host
}

// ownIPv4 is the address of this machine by its name, or "".
func ownIPv4(host string, lookup func(ctx context.Context, host string) ([]string, error)) string {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addrs, err := lookup(ctx, host)
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if ip := net.ParseIP(a); ip.To4() != nil && !ip.IsLoopback() {
			return ip.String()
		}
	}
	return ""
}

// nToken makes a principal token ("NToken") by which a service tells Athenz who it is and on which machine, see [ownMachine],
// valid from now on: fields that are joined by semicolons, and the signature of all that as the last.
func nToken(domain, service, keyID, where string, key crypto.Signer, now time.Time) (string, error) {
	salt := make([]byte, 8)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	text := fmt.Sprintf("v=S1;d=%s;n=%s;k=%s%s;a=%x;t=%d;e=%d", domain, service, keyID, where, salt, now.Unix(), now.Add(nTokenLife).Unix())
	sum := sha256.Sum256([]byte(text))
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign a principal token: %w", err)
	}
	return text + ";s=" + nTokenBase64.EncodeToString(signature), nil
}

// parseKey takes an RSA or EC key in any of the PEM forms. Its errors do not show the key.
func parseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("privateKey is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("privateKey is PEM of the type %q, not a private key", block.Type)
	}
	if err != nil {
		return nil, errors.New("privateKey cannot be read")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	}
	return nil, errors.New("privateKey is neither an RSA nor an EC key")
}

// readPEM gives what a data: URL holds, or the file of that path. name is the setting's, for errors.
func readPEM(name, from string) ([]byte, error) {
	if !strings.HasPrefix(from, "data:") {
		text, err := os.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, filename.Fault(err, from))
		}
		return text, nil
	}
	body, ok := strings.CutPrefix(from, "data:application/x-pem-file;base64,")
	text, err := base64.StdEncoding.DecodeString(body)
	if !ok || err != nil {
		return nil, fmt.Errorf("%s: not data:application/x-pem-file;base64,…", name)
	}
	return text, nil
}
