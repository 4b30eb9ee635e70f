package auth

import (
	"context"
	"strings"
)

// certificateProvider takes the common name of a client certificate for the
// role. That the certificate is to be trusted, TLS has verified before.
type certificateProvider struct{}

func (certificateProvider) method() string { return MethodTLS }

func (certificateProvider) presented(r *Request) bool { return r.PeerCertificate != nil }

func (certificateProvider) authenticate(_ context.Context, r *Request) (Principal, error) {
	if r.PeerCertificate == nil {
		return Principal{}, unauthenticated("no client certificate was presented", "")
	}
	role := r.PeerCertificate.Subject.CommonName
	if strings.TrimSpace(role) == "" {
		return Principal{}, unauthenticated("the client certificate names no role", "no common name")
	}
	return Principal{Role: role, Method: MethodTLS}, nil
}
