package auth

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The hashes of the word secret, as openssl and crypt(3) make them.
const (
	apr1     = "$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0"
	md5Crypt = "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"
	shaCrypt = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
	desCrypt = "abNANd1rDfiNc"
	bcrypted = "$2b$04$IDzfsrUUeJ9Jx94RzgEbd.z5r.Yp1Hr4fcQjfj6/KzuEqiebwRwc."
)

func basicAuth(userPassword string) *Request {
	return &Request{Authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte(userPassword))}
}

func passwords(t *testing.T, conf string) *basicProvider {
	t.Helper()
	p, err := newBasicProvider(conf, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPasswords(t *testing.T) {
	file := "# users\n\nalice:" + apr1 + "\r\nbob:" + desCrypt + "\ncarol:" + bcrypted + "\ndave:" + shaCrypt + "\nerin:" + md5Crypt + "\n"
	p := passwords(t, dataURL([]byte(file)))
	for _, user := range []string{"alice", "bob", "carol", "dave", "erin"} {
		for range 2 { // the second time it is remembered
			who, err := p.authenticate(t.Context(), basicAuth(user+":secret"))
			if err != nil || who.Role != user || who.Method != MethodBasic || !who.Expires.IsZero() {
				t.Errorf("%s: %+v, %v", user, who, err)
			}
		}
		for _, wrong := range []string{"Secret", "", "secret2x", "secre", apr1} {
			_, err := p.authenticate(t.Context(), basicAuth(user+":"+wrong))
			wantRefused(t, user+" with "+wrong, err, ErrUnauthenticated, "unknown user or wrong password")
		}
	}
	for _, odd := range []*Request{
		basicAuth("frank:secret"), basicAuth("alice"), basicAuth(":secret"), basicAuth(""), {}, {Authorization: "Basic"},
		{Authorization: "Basic %%%"}, {Authorization: "Bearer x"}, basicAuth("alice:" + strings.Repeat("x", maxPassword)),
	} {
		if _, err := p.authenticate(t.Context(), odd); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%q: %v", odd.Authorization, err)
		}
	}
}

func TestPasswordMayHoldColons(t *testing.T) {
	user, password, ok := basicAuth("u:p:w").userPassword()
	if !ok || user != "u" || password != "p:w" {
		t.Errorf("%q %q %v", user, password, ok)
	}
}

func TestUserFilesThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ conf, says string }{
		"none":          {"", "basicAuthConf"},
		"no users":      {dataURL([]byte("\n# nobody\n")), "no user"},
		"no colon":      {dataURL([]byte("alice:" + apr1 + "\nhunter2")), "line 2"},
		"plain text":    {dataURL([]byte("alice:hunter2")), "line 1"},
		"unknown hash":  {dataURL([]byte("alice:$9$hunter2$hunter2")), "line 1"},
		"no name":       {dataURL([]byte(":" + apr1)), "line 1"},
		"no known form": {"alice:hunter2", "neither"},
	} {
		_, err := newBasicProvider(tc.conf, quiet)
		var fault *SettingError
		if !errors.As(err, &fault) || fault.Key != "basicAuthConf" || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
}

// A user who is taken out of the file is refused, though remembered before.
func TestUserFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("alice:" + apr1 + "\nbob:" + apr1)
	p := passwords(t, "file://"+file)
	p.users.pause = 0
	valid := func(user string) bool {
		_, err := p.authenticate(t.Context(), basicAuth(user+":secret"))
		return err == nil
	}
	if !valid("alice") || !valid("bob") {
		t.Fatal("refused")
	}
	write("bob:" + apr1)
	if valid("alice") || !valid("bob") {
		t.Error("the file is not read again")
	}
}

func TestCertificates(t *testing.T) {
	p := certificateProvider{}
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: "device-7"}}
	who, err := p.authenticate(t.Context(), &Request{PeerCertificate: cert})
	if err != nil || who.Role != "device-7" || who.Method != MethodTLS {
		t.Errorf("%+v, %v", who, err)
	}
	_, err = p.authenticate(t.Context(), &Request{})
	wantRefused(t, "none", err, ErrUnauthenticated, "no client certificate")
	_, err = p.authenticate(t.Context(), &Request{PeerCertificate: &x509.Certificate{}})
	wantRefused(t, "no name", err, ErrUnauthenticated, "names no role")

	// Only a certificate that TLS has verified counts.
	r := &http.Request{Header: http.Header{}, TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}}
	if FromHTTP(r, netip.Addr{}).PeerCertificate != nil {
		t.Error("a certificate without a trusted chain is taken")
	}
	r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
	if FromHTTP(r, netip.Addr{}).PeerCertificate != cert {
		t.Error("a verified certificate is not taken")
	}
}

func FuzzUserFile(f *testing.F) {
	f.Add("alice:"+apr1+"\nbob:"+desCrypt, "alice:secret")
	f.Add("a:$2b$04$", "a:b")
	f.Add("a:$6$$", "a:")
	f.Fuzz(func(t *testing.T, file, credentials string) {
		if strings.Contains(file, "$2") || strings.Contains(file, "rounds=") {
			return // hashes that may be as slow as their author wants
		}
		u, err := parseUsers([]byte(file))
		if err != nil {
			return
		}
		if user, password, ok := basicAuth(credentials).userPassword(); ok {
			u.match(user, password)
		}
	})
}
