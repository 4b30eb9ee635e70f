package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const pluginPackage = "org.apache.pulsar.client.impl.auth."

// The login methods, by the Java class that names them in a configuration.
const (
	AuthToken  = pluginPackage + "AuthenticationToken"
	AuthTLS    = pluginPackage + "AuthenticationTls"
	AuthBasic  = pluginPackage + "AuthenticationBasic"
	AuthAthenz = pluginPackage + "AuthenticationAthenz"
	AuthOAuth2 = pluginPackage + "oauth2.AuthenticationOAuth2"
)

var plugins = []string{AuthToken, AuthTLS, AuthBasic, AuthAthenz, AuthOAuth2}

func knownPlugin(name string) bool { return slices.Contains(plugins, name) }

func pluginNames() string { return strings.Join(plugins, ", ") }

// BrokerClientAuth returns the login at the brokers: the Java class name ("" for no
// login) and its parameters under the names of pulsar-client-go, whichever of Java's notations they
// are written in: JSON; key:value,key:value; for a token also the bare token, token:… and
// file:…. Error messages do not hold the parameters.
func (c *Config) BrokerClientAuth() (plugin string, params map[string]string, err error) {
	if c.BrokerClientAuthPlugin == "" {
		return "", nil, nil
	}
	params, err = parseAuthParams(c.BrokerClientAuthPlugin, strings.TrimSpace(string(c.BrokerClientAuthParams)))
	if err != nil {
		return "", nil, fmt.Errorf("brokerClientAuthenticationParameters: %w", err)
	}
	return c.BrokerClientAuthPlugin, params, nil
}

func parseAuthParams(plugin, s string) (map[string]string, error) {
	var params map[string]string
	var err error
	switch {
	case strings.HasPrefix(s, "{"):
		if json.Unmarshal([]byte(s), &params) != nil {
			err = errors.New("not a JSON object of texts")
		}
	case plugin == AuthToken:
		params = tokenParams(s)
	default:
		params, err = pairParams(s)
	}
	if user, ok := params["userId"]; ok && plugin == AuthBasic {
		delete(params, "userId")
		params["username"] = user
	}
	return params, err
}

func pairParams(s string) (map[string]string, error) {
	params := make(map[string]string)
	for pair := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, errors.New("neither key:value pairs nor JSON")
		}
		params[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return params, nil
}

func tokenParams(s string) map[string]string {
	if token, ok := strings.CutPrefix(s, "token:"); ok {
		return map[string]string{"token": token}
	}
	if file, ok := strings.CutPrefix(s, "file:"); ok {
		// file:///path and file:/path are the same.
		return map[string]string{"file": strings.TrimPrefix(file, "//")}
	}
	return map[string]string{"token": s}
}
