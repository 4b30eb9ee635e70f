package pulsar

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/pulsegate/pulsegate/filename"
	"github.com/pulsegate/pulsegate/keystore"
	"github.com/pulsegate/pulsegate/pulsar/login"
)

// authParamsError names what is wrong with AuthParams without repeating them,
// as they hold secrets.
func authParamsError(plugin, fault string) error {
	return fmt.Errorf("brokerClientAuthenticationParameters for %s: %s", plugin, fault)
}

// newLogin makes the login for a plugin by its Java
// class name, or the last part of it, or a short name.
func newLogin(plugin, params string) (login.Login, error) {
	short := plugin[strings.LastIndexByte(plugin, '.')+1:]
	switch strings.ToLower(strings.TrimPrefix(short, "Authentication")) {
	case "", "disabled":
		return login.None(), nil
	case "token":
		return newTokenLogin(short, params)
	case "tls":
		p, err := parseAuthParams(short, params)
		if err != nil {
			return nil, err
		}
		if p["tlsCertFile"] == "" || p["tlsKeyFile"] == "" {
			return nil, authParamsError(short, "tlsCertFile and tlsKeyFile are needed")
		}
		return login.CertificateFiles(filePath(p["tlsCertFile"]), filePath(p["tlsKeyFile"])), nil
	case "keystoretls":
		return newKeyStoreLogin(short, params)
	case "basic":
		return newBasicLogin(short, params)
	case "oauth2":
		p, err := parseAuthParams(short, params)
		if err != nil {
			return nil, err
		}
		if kind := p["type"]; kind != "" && kind != "client_credentials" {
			return nil, authParamsError(short, fmt.Sprintf("the type %q is not client_credentials, the only one there is", kind))
		}
		o := login.OAuth2Options{IssuerURL: p["issuerUrl"], Audience: p["audience"], Scope: p["scope"], KeyFile: filePath(p["privateKey"])}
		renewed, err := newRenewed(o.KeyFile, func() (login.Login, error) { return login.OAuth2(o) })
		if err != nil {
			return nil, authParamsError(short, err.Error())
		}
		return renewed, nil
	case "athenz":
		p, err := parseAuthParams(short, params)
		if err != nil {
			return nil, err
		}
		athenz, err := login.Athenz(login.AthenzOptions{
			ProviderDomain: p["providerDomain"], TenantDomain: p["tenantDomain"], TenantService: p["tenantService"], KeyID: p["keyId"],
			PrivateKey: filePath(p["privateKey"]), CertChain: filePath(p["x509CertChain"]), CACert: filePath(p["caCert"]),
			ZTSURL: p["ztsUrl"], ZTSProxyURL: p["ztsProxyUrl"], PrincipalHeader: p["principalHeader"], RoleHeader: p["roleHeader"],
		})
		if err != nil {
			return nil, authParamsError(short, err.Error())
		}
		return athenz, nil
	}
	return nil, fmt.Errorf("brokerClientAuthenticationPlugin: %q is none of AuthenticationToken, AuthenticationTls, AuthenticationKeyStoreTls, "+
		"AuthenticationBasic, AuthenticationOAuth2, AuthenticationAthenz", plugin)
}

// newKeyStoreLogin takes a key store of Java, which is read for each connection, so
// that it may be replaced.
func newKeyStoreLogin(plugin, params string) (login.Login, error) {
	p, err := parseAuthParams(plugin, params)
	if err != nil {
		return nil, err
	}
	store := keystore.Store{Setting: "keyStorePath", File: filePath(p["keyStorePath"]), Password: p["keyStorePassword"]}
	switch kind := p["keyStoreType"]; {
	case store.File == "":
		return nil, authParamsError(plugin, "keyStorePath is needed")
	case kind != "" && !keystore.KnownType(kind):
		return nil, authParamsError(plugin, "keyStoreType must be one of "+strings.Join(keystore.Types, ", "))
	}
	return login.Certificate(func() (*tls.Certificate, error) {
		b, err := store.Read()
		if err != nil {
			return nil, authParamsError(plugin, err.Error())
		}
		own, err := keystore.ReadIdentity(b, store.Password)
		if err != nil {
			return nil, authParamsError(plugin, store.Fault(err).Error())
		}
		return own.TLS(), nil
	}), nil
}

// newTokenLogin takes the token itself, token:the-token, file:///path/of/it,
// a data: URL, or {"token":"..."} or {"file":"..."}. A file is read at each use, so
// that it may be renewed.
func newTokenLogin(plugin, params string) (login.Login, error) {
	params = strings.TrimSpace(params)
	if strings.HasPrefix(params, "{") {
		p, err := parseAuthParams(plugin, params)
		if err != nil {
			return nil, err
		}
		if f := p["file"]; f != "" {
			params = "file:" + strings.TrimPrefix(f, "file:")
		} else {
			params = p["token"]
		}
	}
	switch {
	case strings.HasPrefix(params, "data:"):
		head, body, _ := strings.Cut(params, ",")
		if strings.HasSuffix(head, ";base64") {
			text, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				return nil, authParamsError(plugin, "the content of data: is not base64")
			}
			body = string(text)
		}
		params = strings.TrimSpace(body)
	case strings.HasPrefix(params, "file:"):
		file := filePath(params)
		return login.Token(func() (string, error) {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", fmt.Errorf("read the broker client's token: %w", filename.Fault(err, file))
			}
			return strings.TrimSpace(string(text)), nil
		}), nil
	case strings.HasPrefix(params, "token:"):
		params = strings.TrimPrefix(params, "token:")
	}
	if params == "" {
		return nil, authParamsError(plugin, "no token: give token:the-token or file:///path")
	}
	return login.Token(func() (string, error) { return params, nil }), nil
}

// newBasicLogin takes user:password or {"userId":"...","password":"..."}.
func newBasicLogin(plugin, params string) (login.Login, error) {
	user, password, ok := strings.Cut(params, ":")
	if strings.HasPrefix(strings.TrimSpace(params), "{") {
		p, err := parseAuthParams(plugin, params)
		if err != nil {
			return nil, err
		}
		user, password = p["userId"]+p["username"], p["password"]
		ok = true
	}
	if !ok || user == "" || password == "" {
		return nil, authParamsError(plugin, "a userId and a password are needed")
	}
	return login.Basic(user, password), nil
}

// parseAuthParams reads JSON or Java's older key:value,key:value, in which a
// value may hold colons.
func parseAuthParams(plugin, params string) (map[string]string, error) {
	params = strings.TrimSpace(params)
	out := map[string]string{}
	if strings.HasPrefix(params, "{") {
		if err := json.Unmarshal([]byte(params), &out); err != nil {
			return nil, authParamsError(plugin, "not a JSON object of strings")
		}
		return out, nil
	}
	for _, pair := range strings.Split(params, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, authParamsError(plugin, "neither JSON nor key:value pairs joined by commas")
		}
		out[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return out, nil
}

// filePath takes a path, or a file: URL as Java writes them.
func filePath(s string) string {
	if !strings.HasPrefix(s, "file:") {
		return s
	}
	if u, err := url.Parse(s); err == nil && u.Opaque == "" {
		return path.Join("/", u.Host, u.Path)
	}
	return strings.TrimPrefix(s, "file:")
}
