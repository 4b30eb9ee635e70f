package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/filename"
)

// ErrNotEnabled is wrapped by the error for a broker.conf that does not enable the WebSocket service.
var ErrNotEnabled = errors.New("the WebSocket service is not enabled")

// LoadBroker is [Load] with the file of a broker, whose WebSocket service we then are: the
// brokers, logins, permissions and TLS are those of the file, and all other HTTP is for the
// broker's web service. The file's ports are the broker's own, so that ours must be among the
// sets, unless these tell by brokerWebServiceUrl that the broker's web service is elsewhere:
// then we take the place that the file names. What environ and sets say overrides the file,
// as with [Load]. Keys that only a broker has are not looked at.
func LoadBroker(path string, environ, sets []string) (*Config, []Notice, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the broker's configuration: %w", filename.Fault(err, path))
	}
	return parseBroker(path, data, environ, sets)
}

// parseBroker is [LoadBroker] with the contents of the file.
func parseBroker(path string, data []byte, environ, sets []string) (*Config, []Notice, error) {
	fromFile, err := parseProperties(path, data)
	if err != nil {
		return nil, nil, err
	}
	fromFlags, err := parseSets(sets)
	if err != nil {
		return nil, nil, err
	}
	fromEnv, notices := fromEnvironment(environ)
	b := brokerFile{path: path, entries: map[string]entry{}}
	for _, e := range fromFile {
		b.entries[e.name] = e
	}
	fromEnv, fromFlags = b.overlay(fromEnv), b.overlay(fromFlags)
	if err := b.enabled(); err != nil {
		return nil, nil, err
	}
	elsewhere := isSet("brokerWebServiceUrl", fromFile, fromEnv, fromFlags)
	if err := b.ownPorts(elsewhere, lastOf(slices.Concat(fromEnv, fromFlags))); err != nil {
		return nil, nil, err
	}
	translated, err := b.translate(elsewhere)
	if err != nil {
		return nil, nil, err
	}
	c, n, err := resolve(translated, fromEnv, fromFlags)
	notices = append(notices, n...)
	if err != nil {
		return nil, notices, err
	}
	if e := b.entries["proxyRoles"]; e.value != "" && c.BrokerClientAuthPlugin != "" && !c.ForwardOriginalPrincipal {
		notices = append(notices, Notice{Kind: Risky, Key: e.name, Source: e.source,
			Text: "the role that brokerClientAuthenticationParameters logs in must be none of these, or the broker refuses what it asks for, unless forwardOriginalPrincipal is true"})
	}
	return c, notices, nil
}

// overlay lets what overrides the file decide how that is translated. It returns
// the rest, in the words of a websocket.conf.
func (b *brokerFile) overlay(layer []entry) (rest []entry) {
	for _, e := range layer {
		if other, ok := renamed[e.name]; ok {
			e.name = other
		}
		switch e.name {
		case "webSocketServiceEnabled":
			b.entries[e.name] = e
			continue // none of our keys
		case "brokerClientSslFactoryPlugin", "brokerClientSslFactoryPluginParams":
			continue // the broker's alone
		case "brokerClientTlsEnabled", "tokenSettingPrefix":
			b.entries[e.name] = e
		}
		rest = append(rest, e)
	}
	return rest
}

// lastOf leaves of each key the entry that counts.
func lastOf(entries []entry) (last []entry) {
	for i, e := range entries {
		if !slices.ContainsFunc(entries[i+1:], func(o entry) bool { return o.name == e.name }) {
			last = append(last, e)
		}
	}
	return last
}

// brokerFile is what a broker.conf says, or what overrides it; of a key given twice the last counts.
type brokerFile struct {
	path    string
	entries map[string]entry
}

// get is the value of the first of the keys that has one.
func (b *brokerFile) get(keys ...string) entry {
	for _, key := range keys {
		if e := b.entries[key]; e.value != "" {
			return e
		}
	}
	return entry{}
}

func (b *brokerFile) enabled() error {
	const key = "webSocketServiceEnabled"
	e, written := b.entries[key]
	if !written || e.value == "" {
		return fmt.Errorf("%w: %s does not set %s=true", ErrNotEnabled, b.path, key)
	}
	on, err := parseBool(e.value)
	if err != nil {
		return fmt.Errorf("%s=%s (%s): it must be true or false", key, e.value, e.source)
	}
	if !on {
		return fmt.Errorf("%w: %s=%s (%s)", ErrNotEnabled, key, e.value, e.source)
	}
	return nil
}

// isSet reports whether one of the layers has a value for a key.
func isSet(key string, layers ...[]entry) bool {
	for _, layer := range layers {
		if slices.ContainsFunc(layer, func(e entry) bool { return e.name == key && e.value != "" }) {
			return true
		}
	}
	return false
}

// ownPorts makes sure that we know where to listen, and not where the broker does.
func (b *brokerFile) ownPorts(elsewhere bool, ours []entry) error {
	if elsewhere {
		return nil
	}
	if !isSet("webServicePort", ours) && !isSet("webServicePortTls", ours) {
		port := b.get("webServicePort").value
		if port == "" {
			port = defaultWebPort
		}
		return fmt.Errorf("%s tells the broker's own ports: add --set webServicePort=PORT for pulsegate's; "+
			"or to take the broker's place on port %s, give the broker another port and add --set brokerWebServiceUrl=http://HOST:PORT with that", b.path, port)
	}
	taken := map[string]string{}
	for _, key := range []string{"webServicePort", "webServicePortTls", "brokerServicePort", "brokerServicePortTls"} {
		if port, err := b.port(key); err == nil && port != "" && port != "0" {
			taken[port] = key
		}
	}
	for _, e := range ours {
		if key := taken[e.value]; key != "" && (e.name == "webServicePort" || e.name == "webServicePortTls") {
			return fmt.Errorf("%s=%s (%s): that is the broker's own %s in %s: give pulsegate another port, "+
				"or if the broker listens elsewhere, say where by --set brokerWebServiceUrl=http://HOST:PORT", e.name, e.value, e.source, key, b.path)
		}
	}
	return nil
}

// The ports of a broker whose file does not mention them.
const (
	defaultWebPort    = "8080"
	defaultBinaryPort = "6650"
)

// port is the port in a key, "" for none.
func (b *brokerFile) port(key string) (string, error) {
	e, written := b.entries[key]
	switch {
	case !written && key == "webServicePort":
		return defaultWebPort, nil
	case !written && key == "brokerServicePort":
		return defaultBinaryPort, nil
	case e.value == "":
		return "", nil
	}
	if n, err := strconv.ParseUint(e.value, 10, 16); err != nil {
		return "", fmt.Errorf("%s=%s (%s): it must be a port from 0 to 65535", key, e.value, e.source)
	} else if n == 0 {
		return "", fmt.Errorf("%s=0 (%s): the broker's port is chosen by the system, so it cannot be found here: name one", key, e.source)
	}
	return e.value, nil
}

// notOurs are keys of websocket.conf that in a broker.conf speak of the broker alone.
var notOurs = []string{
	"webServicePort", "webServicePortTls", "statusFilePath", "tlsEnabled",
	"serviceUrl", "serviceUrlTls", "brokerServiceUrl", "brokerServiceUrlTls",
	"configurationMetadataStoreUrl", "configurationStoreServers", "globalZookeeperServers",
}

// renamed are keys that have another name in a websocket.conf.
var renamed = map[string]string{
	"brokerClientCertificateFilePath": "brokerClient_tlsCertificateFilePath",
	"brokerClientKeyFilePath":         "brokerClient_tlsKeyFilePath",
}

// translate says in the words of a websocket.conf what the file means for its WebSocket service.
func (b *brokerFile) translate(elsewhere bool) ([]entry, error) {
	var out []entry
	for name, e := range b.entries {
		if e.source.Path == "" {
			continue // it is in a layer of its own
		}
		if other, ok := renamed[name]; ok && e.value != "" {
			if b.entries[other].value == "" { // else the client's own name counts
				out = append(out, entry{other, e.value, e.source})
			}
			continue
		}
		k, known := byName[name]
		ports := name == "webServicePort" || name == "webServicePortTls"
		switch {
		case ports && elsewhere:
		case !known && !isPassThrough(name) && !b.isTokenKey(name), slices.Contains(notOurs, name), known && k.Effect == WithoutEffect:
			continue
		}
		out = append(out, e)
	}
	if !elsewhere {
		// Unless one is set our plain port is none: its default is the broker's.
		out = append(out, entry{"webServicePort", "", Source{Path: b.path}})
	}
	urls, err := b.addresses(elsewhere)
	if err != nil {
		return nil, err
	}
	out = append(out, urls...)
	if e := b.get("configurationMetadataStoreUrl", "configurationStoreServers", "globalZookeeperServers", "metadataStoreUrl", "zookeeperServers"); e.value != "" {
		// The addresses are known, so that nothing has to be looked up in a store that we cannot read.
		if _, err := parseStore(e.value); err == nil {
			out = append(out, entry{"configurationMetadataStoreUrl", e.value, e.source})
		}
	}
	return out, nil
}

// isTokenKey reports whether a key counts because of tokenSettingPrefix.
func (b *brokerFile) isTokenKey(name string) bool {
	prefix := b.get("tokenSettingPrefix").value
	plain, ok := strings.CutPrefix(name, prefix)
	return ok && prefix != "" && slices.Contains(tokenKeys, plain)
}

// addresses is where the broker's services are, as the broker itself advertises them inside
// of its cluster: by its internal listener, else by its advertised address and its ports.
func (b *brokerFile) addresses(elsewhere bool) ([]entry, error) {
	listener, host, err := b.listener()
	if err != nil {
		return nil, err
	}
	secure, err := parseBool(b.or("brokerClientTlsEnabled", "false"))
	if err != nil {
		return nil, nil // the key itself is told of later
	}
	web := map[bool]string{}
	var out []entry
	for _, s := range []struct {
		port, scheme, key string
		secure            bool
	}{
		{"brokerServicePort", schemePulsar, "brokerServiceUrl", false},
		{"brokerServicePortTls", schemePulsarTLS, "brokerServiceUrlTls", true},
		{"webServicePort", schemeHTTP, "", false},
		{"webServicePortTls", schemeHTTPS, "", true},
	} {
		url := listener[s.scheme]
		if url == "" {
			port, err := b.port(s.port)
			if elsewhere && s.key == "" {
				continue
			}
			if err != nil {
				return nil, err
			}
			if port == "" {
				continue
			}
			url = s.scheme + "://" + net.JoinHostPort(host, port)
		}
		if s.key == "" {
			web[s.secure] = url
		} else {
			out = append(out, entry{s.key, url, b.entries[s.port].source})
		}
	}
	if elsewhere {
		return out, nil
	}
	url := web[secure]
	if url == "" {
		return nil, fmt.Errorf("%s names no port for the broker's web service that goes with brokerClientTlsEnabled=%v: set webServicePort or webServicePortTls there", b.path, secure)
	}
	return append(out, entry{"brokerWebServiceUrl", url, Source{Path: b.path}}), nil
}

func (b *brokerFile) or(key, otherwise string) string {
	if v := b.get(key).value; v != "" {
		return v
	}
	return otherwise
}

// listener is the internal one of the advertised listeners: its URLs by their scheme, and the
// broker's host.
func (b *brokerFile) listener() (urls map[string]string, host string, err error) {
	urls, host = map[string]string{}, "localhost"
	if v := b.get("bindAddress").value; v != "" && v != "0.0.0.0" && v != "::" {
		host = v
	}
	if v := b.get("advertisedAddress").value; v != "" {
		host = v
	}
	e := b.get("advertisedListeners")
	if e.value == "" {
		return urls, host, nil
	}
	internal := b.get("internalListenerName").value
	found := false
	for part := range strings.SplitSeq(e.value, ",") {
		name, url, ok := strings.Cut(strings.TrimSpace(part), ":")
		scheme, address, isURL := strings.Cut(url, "://")
		if !ok || !isURL || checkHosts(address) != nil {
			return nil, "", fmt.Errorf("advertisedListeners (%s): %q is not NAME:SCHEME://HOST:PORT", e.source, strings.TrimSpace(part))
		}
		if internal == "" {
			internal = name // the first one is meant
		}
		if name != internal {
			continue
		}
		found = true
		urls[scheme] = url
		if h, _, err := net.SplitHostPort(address); err == nil && (scheme == schemePulsar || len(urls) == 1) {
			host = h
		}
	}
	if !found {
		return nil, "", fmt.Errorf("internalListenerName=%s (%s) is not one of the advertisedListeners", internal, b.get("internalListenerName").source)
	}
	return urls, host, nil
}
