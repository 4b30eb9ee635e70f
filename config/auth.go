package config

import (
	"slices"
	"strings"
)

const pluginPackage = "org.apache.pulsar.client.impl.auth."

// The login methods, by the Java class that names them in a configuration.
const (
	AuthToken  = pluginPackage + "AuthenticationToken"
	AuthTLS    = pluginPackage + "AuthenticationTls"
	AuthStore  = pluginPackage + "AuthenticationKeyStoreTls"
	AuthBasic  = pluginPackage + "AuthenticationBasic"
	AuthAthenz = pluginPackage + "AuthenticationAthenz"
	AuthOAuth2 = pluginPackage + "oauth2.AuthenticationOAuth2"
)

var plugins = []string{AuthToken, AuthTLS, AuthStore, AuthBasic, AuthAthenz, AuthOAuth2}

func knownPlugin(name string) bool { return slices.Contains(plugins, name) }

func pluginNames() string { return strings.Join(plugins, ", ") }
