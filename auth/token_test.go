package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pulsegate/pulsegate/filename"
)

var quiet = slog.New(slog.DiscardHandler)

var (
	secret   = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	rsaKey   = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey    = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ec384Key = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func dataURL(b []byte) string { return "data:;base64," + base64.StdEncoding.EncodeToString(b) }

func der(key crypto.PublicKey) []byte { return must(x509.MarshalPKIXPublicKey(key)) }

func pemOf(key crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der(key)})
}

// sign makes a token. Claims are given as pairs.
func sign(method jwt.SigningMethod, key any, pairs ...any) string {
	claims := jwt.MapClaims{}
	for i := 0; i < len(pairs); i += 2 {
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return must(jwt.NewWithClaims(method, claims).SignedString(key))
}

func tokens(t *testing.T, o TokenOptions) *tokenProvider {
	t.Helper()
	if o.AuthClaim == "" {
		o.AuthClaim = "sub"
	}
	if o.PublicAlg == "" {
		o.PublicAlg = "RS256"
	}
	p, err := newTokenProvider(o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantRefused checks that err refuses with these words and shows no credentials.
func wantRefused(t *testing.T, what string, err error, kind error, says string) {
	t.Helper()
	var no *Refusal
	if !errors.As(err, &no) || !errors.Is(err, kind) || !strings.Contains(no.Reason, says) {
		t.Errorf("%s: got %v, want %q", what, err, says)
	}
}

func TestTokensOfEveryKind(t *testing.T) {
	for name, tc := range map[string]struct {
		o     TokenOptions
		token string
	}{
		"HS256":       {TokenOptions{SecretKey: dataURL(secret)}, sign(jwt.SigningMethodHS256, secret, "sub", "me")},
		"HS384":       {TokenOptions{SecretKey: dataURL(secret)}, sign(jwt.SigningMethodHS384, secret, "sub", "me")},
		"HS512":       {TokenOptions{SecretKey: dataURL(secret)}, sign(jwt.SigningMethodHS512, secret, "sub", "me")},
		"plain":       {TokenOptions{SecretKey: base64.StdEncoding.EncodeToString(secret)}, sign(jwt.SigningMethodHS256, secret, "sub", "me")},
		"RS256":       {TokenOptions{PublicKey: dataURL(der(&rsaKey.PublicKey))}, sign(jwt.SigningMethodRS256, rsaKey, "sub", "me")},
		"RS512":       {TokenOptions{PublicKey: dataURL(der(&rsaKey.PublicKey))}, sign(jwt.SigningMethodRS512, rsaKey, "sub", "me")},
		"PS256":       {TokenOptions{PublicKey: dataURL(der(&rsaKey.PublicKey))}, sign(jwt.SigningMethodPS256, rsaKey, "sub", "me")},
		"RSA as PEM":  {TokenOptions{PublicKey: dataURL(pemOf(&rsaKey.PublicKey))}, sign(jwt.SigningMethodRS256, rsaKey, "sub", "me")},
		"ES256":       {TokenOptions{PublicKey: dataURL(der(&ecKey.PublicKey)), PublicAlg: "ES256"}, sign(jwt.SigningMethodES256, ecKey, "sub", "me")},
		"ES384":       {TokenOptions{PublicKey: dataURL(der(&ec384Key.PublicKey)), PublicAlg: "ES384"}, sign(jwt.SigningMethodES384, ec384Key, "sub", "me")},
		"claim":       {TokenOptions{SecretKey: dataURL(secret), AuthClaim: "role"}, sign(jwt.SigningMethodHS256, secret, "sub", "x", "role", "me")},
		"list":        {TokenOptions{SecretKey: dataURL(secret), AuthClaim: "roles"}, sign(jwt.SigningMethodHS256, secret, "roles", []string{"me", "x"})},
		"audience":    {TokenOptions{SecretKey: dataURL(secret), AudienceClaim: "aud", Audience: "a"}, sign(jwt.SigningMethodHS256, secret, "sub", "me", "aud", "a")},
		"audiences":   {TokenOptions{SecretKey: dataURL(secret), AudienceClaim: "aud", Audience: "a"}, sign(jwt.SigningMethodHS256, secret, "sub", "me", "aud", []string{"b", "a"})},
		"skew":        {TokenOptions{SecretKey: dataURL(secret), ClockSkew: time.Hour}, sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", time.Now().Add(-time.Minute).Unix())},
		"valid since": {TokenOptions{SecretKey: dataURL(secret)}, sign(jwt.SigningMethodHS256, secret, "sub", "me", "nbf", time.Now().Add(-time.Minute).Unix(), "exp", time.Now().Add(time.Minute).Unix())},
	} {
		who, err := tokens(t, tc.o).authenticate(t.Context(), &Request{Authorization: "bearer " + tc.token})
		if err != nil || who.Role != "me" || who.Method != MethodToken {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	withSecret := TokenOptions{SecretKey: dataURL(secret)}
	withRSA := TokenOptions{PublicKey: dataURL(pemOf(&rsaKey.PublicKey))}
	withEC := TokenOptions{PublicKey: dataURL(der(&ecKey.PublicKey)), PublicAlg: "ES256"}
	good := sign(jwt.SigningMethodHS256, secret, "sub", "me")
	parts := strings.Split(good, ".")
	critical := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "me"})
	critical.Header["crit"] = []string{"b64"}
	otherRSA := must(rsa.GenerateKey(rand.Reader, 2048))
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin"}`))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, tc := range map[string]struct {
		o     TokenOptions
		token string
		says  string
	}{
		"another secret":      {withSecret, sign(jwt.SigningMethodHS256, []byte("x"), "sub", "me"), "not valid"},
		"another RSA key":     {withRSA, sign(jwt.SigningMethodRS256, otherRSA, "sub", "me"), "not valid"},
		"changed claims":      {withSecret, parts[0] + "." + payload + "." + parts[2], "not valid"},
		"no signature":        {withSecret, parts[0] + "." + parts[1] + ".", "not valid"},
		"none":                {withSecret, none + "." + payload + ".", "not valid"},
		"none signed":         {withSecret, sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "sub", "me"), "not valid"},
		"none with RSA":       {withRSA, none + "." + payload + ".", "not valid"},
		"RSA PEM as secret":   {withRSA, sign(jwt.SigningMethodHS256, pemOf(&rsaKey.PublicKey), "sub", "me"), "not valid"},
		"RSA DER as secret":   {withRSA, sign(jwt.SigningMethodHS256, der(&rsaKey.PublicKey), "sub", "me"), "not valid"},
		"RSA where a secret":  {withSecret, sign(jwt.SigningMethodRS256, rsaKey, "sub", "me"), "not valid"},
		"EC of another curve": {withEC, sign(jwt.SigningMethodES384, ec384Key, "sub", "me"), "not valid"},
		"unknown algorithm":   {withSecret, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS1"}`)) + "." + payload + ".AAAA", "not valid"},
		"critical header":     {withSecret, must(critical.SignedString(secret)), "not valid"},
		"malformed":           {withSecret, "a.b", "not valid"},
		"four parts":          {withSecret, good + ".x", "not valid"},
		"garbage":             {withSecret, "...", "not valid"},
		"padded":              {withSecret, good + "=", "not valid"},
		"empty":               {withSecret, "", "no token"},
		"too long":            {withSecret, strings.Repeat("a", maxToken+1), "too long"},
		"expired":             {withSecret, sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", time.Now().Add(-time.Minute).Unix()), "expired"},
		"not yet valid":       {withSecret, sign(jwt.SigningMethodHS256, secret, "sub", "me", "nbf", time.Now().Add(time.Hour).Unix()), "not valid yet"},
		"exp is text":         {withSecret, sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", "never"), "not valid"},
		"no role":             {withSecret, sign(jwt.SigningMethodHS256, secret, "name", "me"), "no role"},
		"role is a number":    {withSecret, sign(jwt.SigningMethodHS256, secret, "sub", 5), "no role"},
		"empty list":          {withSecret, sign(jwt.SigningMethodHS256, secret, "sub", []string{}), "no role"},
		"list of numbers":     {withSecret, sign(jwt.SigningMethodHS256, secret, "sub", []any{1, "me"}), "no role"},
		"no audience":         {TokenOptions{SecretKey: dataURL(secret), AudienceClaim: "aud", Audience: "a"}, good, "audience"},
		"another audience":    {TokenOptions{SecretKey: dataURL(secret), AudienceClaim: "aud", Audience: "a"}, sign(jwt.SigningMethodHS256, secret, "sub", "me", "aud", []string{"b"}), "audience"},
		"audience is number":  {TokenOptions{SecretKey: dataURL(secret), AudienceClaim: "x", Audience: "5"}, sign(jwt.SigningMethodHS256, secret, "sub", "me", "x", 5), "audience"},
	} {
		_, err := tokens(t, tc.o).authenticate(t.Context(), &Request{Authorization: "Bearer " + tc.token})
		wantRefused(t, name, err, ErrUnauthenticated, tc.says)
		if no := (*Refusal)(nil); errors.As(err, &no) && len(tc.token) > 20 && strings.Contains(no.Error()+no.Log(), tc.token[:20]) {
			t.Errorf("%s: the refusal shows the token: %v", name, no)
		}
	}
}

// A short secret allows only the algorithms that it is long enough for.
func TestSecretTooShortForItsAlgorithm(t *testing.T) {
	p := tokens(t, TokenOptions{SecretKey: dataURL(secret[:32])})
	_, err := p.check(p.key.get(), sign(jwt.SigningMethodHS512, secret[:32], "sub", "me"))
	wantRefused(t, "HS512 with 32 bytes", err, ErrUnauthenticated, "not valid")
	if _, err := p.check(p.key.get(), sign(jwt.SigningMethodHS256, secret[:32], "sub", "me")); err != nil {
		t.Error(err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(rsaKey))})
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	for name, tc := range map[string]struct {
		o    TokenOptions
		says string
	}{
		"none at all":      {TokenOptions{}, "tokenSecretKey"},
		"short secret":     {TokenOptions{SecretKey: dataURL([]byte("short-hunter2"))}, "at least 32"},
		"public as secret": {TokenOptions{SecretKey: dataURL(pemOf(&rsaKey.PublicKey))}, "PEM"},
		"missing file":     {TokenOptions{SecretKey: "file:///no/such/hunter2"}, "no such file"},
		"no known form":    {TokenOptions{SecretKey: "hunter2 !"}, "neither"},
		"key as file":      {TokenOptions{SecretKey: "file:hunter2/VkR0Q/xv7kq2c5bq4d1n/0T3yq9uJcE8u5s="}, filename.ErrNone.Error()},
		"key as file URL":  {TokenOptions{PublicKey: "file:///hunter2MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAA", PublicAlg: "RS256"}, filename.ErrNone.Error()},
		"missing path":     {TokenOptions{SecretKey: "/etc/pulsegate/keys/production/cluster/secret"}, "no such file"},
		"no comma":         {TokenOptions{SecretKey: "data:hunter2"}, "comma"},
		"no base64":        {TokenOptions{SecretKey: "data:;base64,hunter2!"}, "base64"},
		"wrong algorithm":  {TokenOptions{PublicKey: dataURL(der(&rsaKey.PublicKey)), PublicAlg: "HS256"}, "tokenPublicAlg"},
		"EC for RS256":     {TokenOptions{PublicKey: dataURL(der(&ecKey.PublicKey)), PublicAlg: "RS256"}, "EC key"},
		"RSA for ES256":    {TokenOptions{PublicKey: dataURL(der(&rsaKey.PublicKey)), PublicAlg: "ES256"}, "RSA key"},
		"small RSA":        {TokenOptions{PublicKey: dataURL(der(&small.PublicKey)), PublicAlg: "RS256"}, "2048"},
		"odd curve":        {TokenOptions{PublicKey: dataURL(der(&p224.PublicKey)), PublicAlg: "ES256"}, "curves"},
		"private key":      {TokenOptions{PublicKey: dataURL(private), PublicAlg: "RS256"}, "private key"},
		"no key":           {TokenOptions{PublicKey: dataURL([]byte("hunter2")), PublicAlg: "RS256"}, "PKIX"},
		"no audience":      {TokenOptions{SecretKey: dataURL(secret), AudienceClaim: "aud"}, "tokenAudience"},
	} {
		_, err := newTokenProvider(tc.o, quiet)
		var fault *SettingError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") && name != "missing file" {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
}

func TestExpiryOfAToken(t *testing.T) {
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	p := tokens(t, TokenOptions{SecretKey: dataURL(secret), ClockSkew: time.Minute})
	who, err := p.check(p.key.get(), sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", exp.Unix()))
	if err != nil || !who.Expires.Equal(exp.Add(time.Minute)) {
		t.Errorf("%v, %v", who.Expires, err)
	}
	if who, err = p.check(p.key.get(), sign(jwt.SigningMethodHS256, secret, "sub", "me")); err != nil || !who.Expires.IsZero() {
		t.Errorf("%v, %v", who.Expires, err)
	}
}

// A key file is read again when it has changed; one that is broken or gone
// leaves the old key in force.
func TestKeyFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(file+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(secret)
	for _, path := range []string{"file://" + file, "file:" + file, file} {
		write(secret)
		p := tokens(t, TokenOptions{SecretKey: path})
		p.key.pause = 0
		second := []byte(strings.Repeat("s", len(secret)))
		one, two := sign(jwt.SigningMethodHS256, secret, "sub", "me"), sign(jwt.SigningMethodHS256, second, "sub", "me")
		valid := func(token string) bool {
			_, err := p.authenticate(t.Context(), &Request{Authorization: "Bearer " + token})
			return err == nil
		}
		if !valid(one) || valid(two) {
			t.Fatalf("%s: the first key does not count", path)
		}
		write(second)
		if valid(one) || !valid(two) {
			t.Errorf("%s: the new key does not count", path)
		}
		write([]byte("short"))
		if !valid(two) {
			t.Errorf("%s: a broken file has locked everyone out", path)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if !valid(two) {
			t.Errorf("%s: a missing file has locked everyone out", path)
		}
		write(secret)
		if !valid(one) || valid(two) {
			t.Errorf("%s: the file that is back does not count", path)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(sign(jwt.SigningMethodHS256, secret, "sub", "me", "exp", 5))
	f.Add(sign(jwt.SigningMethodES384, ec384Key, "sub", []string{"me"}))
	f.Add("a.b.c")
	f.Add(`eyJhbGciOiJub25lIn0.e30.`)
	providers := []*tokenProvider{}
	for _, o := range []TokenOptions{{SecretKey: dataURL(secret[:32])}, {PublicKey: dataURL(der(&rsaKey.PublicKey))}, {PublicKey: dataURL(der(&ecKey.PublicKey)), PublicAlg: "ES256"}} {
		o.AuthClaim = "sub"
		if o.PublicAlg == "" {
			o.PublicAlg = "RS256"
		}
		providers = append(providers, must(newTokenProvider(o, quiet)))
	}
	genuine := map[string]bool{}
	for _, token := range []string{sign(jwt.SigningMethodHS256, secret[:32], "sub", "me"), sign(jwt.SigningMethodRS256, rsaKey, "sub", "me")} {
		genuine[token] = true
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, p := range providers {
			who, err := p.check(p.key.get(), token)
			if err == nil && (!genuine[token] || who.Role != "me") {
				t.Fatalf("forged: %q is %+v", token, who)
			}
			if err != nil && !errors.Is(err, ErrUnauthenticated) {
				t.Fatalf("%q: %v", token, err)
			}
		}
	})
}
