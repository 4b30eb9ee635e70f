package server

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// What OpenSSL's client sees.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	ca := tlstest.New(t)
	o := serverCert(ca, "rsa")
	o.TrustFile = ca.File
	s := start(t, newFakeBridge(), withTLS(t, o))
	own := ca.Issue("client", "rsa")
	for _, tc := range []struct {
		name  string
		args  string
		wants []string
	}{
		{"its own choice", "", []string{"TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256", "HTTP/1.1 200 OK", "Verify return code: 0"}},
		{"TLS 1.2", "-tls1_2", []string{"TLSv1.2, Cipher is ECDHE-RSA-AES128-GCM-SHA256", "HTTP/1.1 200 OK"}},
		{"a named cipher", "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", []string{"Cipher is ECDHE-RSA-AES256-GCM-SHA384", "HTTP/1.1 200 OK"}},
		{"ChaCha20 only", "-ciphersuites TLS_CHACHA20_POLY1305_SHA256", []string{"Cipher is TLS_CHACHA20_POLY1305_SHA256", "HTTP/1.1 200 OK"}},
		{"another curve, by a retry", "-groups P-521:P-384", []string{"TLSv1.3", "HTTP/1.1 200 OK"}},
		{"its certificate", "-cert " + own.CertFile + " -key " + own.KeyFile, []string{"TLSv1.3", "HTTP/1.1 200 OK"}},
		{"its certificate in TLS 1.2", "-tls1_2 -cert " + own.CertFile + " -key " + own.KeyFile, []string{"TLSv1.2", "HTTP/1.1 200 OK"}},
		{"TLS 1.1", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", []string{"alert protocol version"}},
		{"TLS 1.0", "-tls1 -cipher DEFAULT@SECLEVEL=0", []string{"alert protocol version"}},
		{"CBC", "-tls1_2 -cipher ECDHE-RSA-AES128-SHA", []string{"alert handshake failure"}},
		{"no forward secrecy", "-tls1_2 -cipher AES128-GCM-SHA256", []string{"alert handshake failure"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			args := append([]string{"s_client", "-connect", s.TLSAddr().String(), "-servername", "localhost", "-CAfile", ca.File, "-ign_eof"}, strings.Fields(tc.args)...)
			cmd := exec.CommandContext(ctx, "openssl", args...)
			cmd.Stdin = strings.NewReader("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			out, _ := cmd.CombinedOutput() // its status says little
			for _, want := range tc.wants {
				if !strings.Contains(string(out), want) {
					t.Errorf("openssl does not say %q:\n%s", want, out)
				}
			}
		})
	}
}
