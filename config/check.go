package config

import (
	"fmt"
	"runtime"
)

// finish settles what one key alone cannot tell.
func (c *Config) finish() (notices []Notice, errs []error) {
	if c.ConnectionsPerBroker == 0 {
		c.ConnectionsPerBroker = runtime.NumCPU()
	}
	if n, ok := c.settleAuth(); ok {
		notices = append(notices, n)
	}
	notices = append(notices, c.settleTLSPort()...)
	notices = append(notices, c.settleProviders()...)
	notices = append(notices, c.limits()...)
	n, faults := c.settleAccess()
	notices, errs = append(notices, n...), append(errs, faults...)
	n, faults = c.settleBrokerStores()
	notices, errs = append(notices, n...), append(errs, faults...)
	if (c.BrokerClientTLSCertificateFile == "") != (c.BrokerClientTLSKeyFile == "") {
		key, other := "brokerClient_tlsCertificateFilePath", "brokerClient_tlsKeyFilePath"
		if c.BrokerClientTLSKeyFile != "" {
			key, other = other, key
		}
		errs = append(errs, c.faultOf(key, "it needs %s: both are set, or neither", other))
	}
	if c.TLSAllowInsecure {
		notices = append(notices, Notice{Kind: Risky, Key: "tlsAllowInsecureConnection", Source: c.source("tlsAllowInsecureConnection"),
			Text: "the brokers' certificates are not checked"})
	}
	if c.DrainSpread > c.DrainTimeout {
		errs = append(errs, fmt.Errorf("drainSpreadMillis=%d (%s) is more than drainTimeoutMillis=%d: sessions whose turn comes later would be cut; raise drainTimeoutMillis",
			c.DrainSpread.Milliseconds(), c.source("drainSpreadMillis"), c.DrainTimeout.Milliseconds()))
	}
	n, e := c.settleTLS()
	notices, errs = append(notices, n...), append(errs, e...)
	return notices, errs
}

// javaConnections is the limit in the stock file of the Java proxy.
const javaConnections = 2048

// limits names what the stock file of the Java proxy limits, and this server need not.
func (c *Config) limits() []Notice {
	const key = "maxHttpServerConnections"
	if c.MaxHTTPServerConnections != javaConnections || c.source(key) == (Source{}) {
		return nil
	}
	return []Notice{{Kind: Limit, Key: key, Source: c.source(key),
		Text: fmt.Sprintf("no more than %d connections at once, as in the stock file of the Java proxy; more clients get 503. Remove it, or raise it, to serve more", javaConnections)}}
}

// settleAuth drops half a login, as the Java proxy does, and says so.
func (c *Config) settleAuth() (Notice, bool) {
	switch plugin, params := c.BrokerClientAuthPlugin, c.BrokerClientAuthParams; {
	case plugin != "" && params == "":
		c.BrokerClientAuthPlugin = ""
		return Notice{Kind: Ignored, Key: "brokerClientAuthenticationPlugin", Source: c.source("brokerClientAuthenticationPlugin"),
			Text: "it counts only together with brokerClientAuthenticationParameters"}, true
	case plugin == "" && params != "":
		c.BrokerClientAuthParams = ""
		return Notice{Kind: Ignored, Key: "brokerClientAuthenticationParameters", Source: c.source("brokerClientAuthenticationParameters"),
			Text: "it counts only together with brokerClientAuthenticationPlugin"}, true
	}
	return Notice{}, false
}

// faultOf says what is wrong with the value that key has.
func (c *Config) faultOf(key, format string, args ...any) error {
	s := c.settings[byName[key]]
	return &ValueError{Key: key, Value: s.value, Source: s.source, Reason: fmt.Sprintf(format, args...)}
}

func (c *Config) source(name string) Source { return c.settings[byName[name]].source }

func (c *Config) hasAddress() bool {
	return c.ServiceURL != "" || c.ServiceURLTLS != "" || c.BrokerServiceURL != "" || c.BrokerServiceURLTLS != ""
}

// UpstreamURL returns the address to connect to: with BrokerClientTLSEnabled one of the
// two TLS ones, else one of the other two, the binary one first. "" means
// that the cluster has to be looked up in the configuration store.
func (c *Config) UpstreamURL() string {
	service, broker := c.ServiceURL, c.BrokerServiceURL
	if c.BrokerClientTLSEnabled {
		service, broker = c.ServiceURLTLS, c.BrokerServiceURLTLS
	}
	if broker != "" {
		return broker
	}
	return service
}

// AdminFromStore says that the configuration store has to tell where the admin API
// answers: authorization needs it, and none of the addresses is its own.
func (c *Config) AdminFromStore() bool {
	return c.AuthorizationEnabled && c.UpstreamURL() != "" && c.AdminURL() == "" && c.ConfigurationStore.Scheme == zooKeeper && c.ClusterName != ""
}

// RequireCluster returns an error that says what to set when the brokers cannot be
// found; it wraps [ErrNoCluster] when nothing at all tells where they are. It is no condition
// of [Load]: the embedded upstream needs no cluster.
func (c *Config) RequireCluster() error {
	store := c.ConfigurationStore
	switch {
	case c.UpstreamURL() != "" && c.AuthorizationEnabled && c.AdminURL() == "" && !c.AdminFromStore():
		return fmt.Errorf("authorizationEnabled=true (%s) needs the brokers' admin API: set serviceUrl, or serviceUrlTls with brokerClientTlsEnabled=true, "+
			"or clusterName with a ZooKeeper as configurationMetadataStoreUrl", c.source("authorizationEnabled"))
	case c.UpstreamURL() != "":
		return nil
	case c.hasAddress() && c.BrokerClientTLSEnabled:
		return fmt.Errorf("brokerClientTlsEnabled=true (%s) needs brokerServiceUrlTls or serviceUrlTls", c.source("brokerClientTlsEnabled"))
	case c.hasAddress():
		key := "brokerServiceUrlTls"
		if c.BrokerServiceURLTLS == "" {
			key = "serviceUrlTls"
		}
		return c.faultOf(key, "only TLS addresses of the cluster are set: set brokerClientTlsEnabled=true, too")
	case store.Scheme == "":
		return fmt.Errorf("%w: set brokerServiceUrl (such as pulsar://localhost:6650) or serviceUrl (http://localhost:8080), "+
			"or clusterName with configurationMetadataStoreUrl; or use --embedded", ErrNoCluster)
	case store.Scheme != zooKeeper:
		return fmt.Errorf("%w: a cluster can be looked up in ZooKeeper only, not in %s (%s): set brokerServiceUrl or serviceUrl", ErrNoCluster, store.Scheme, c.source("configurationMetadataStoreUrl"))
	case c.ClusterName == "":
		return fmt.Errorf("%w: configurationMetadataStoreUrl (%s) needs clusterName to look it up in ZooKeeper", ErrNoCluster, c.source("configurationMetadataStoreUrl"))
	}
	return nil
}
