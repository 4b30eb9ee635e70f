package config

import (
	"slices"
	"strings"

	"github.com/pulsegate/pulsegate/filename"
)

// Effect says what setting a key does.
type Effect uint8

const (
	// Effective keys do what their explanation says.
	Effective Effect = iota
	// WithoutEffect keys are accepted because the Java proxy has them, and do nothing here.
	WithoutEffect
	// Unsupported keys ask for what only Java can do. Any value but the default is an
	// error: running on without it would be silently insecure.
	Unsupported
)

// Key describes one configuration key. Parsing, messages, the explained file and
// the listing of effective values are all made from it.
type Key struct {
	Name string
	// Aliases are other names of the same thing, still found in existing files.
	Aliases []Alias
	Section Section
	// Default is in the syntax of the file; "" is none.
	Default string
	// Stock are other values that the stock files of some versions of Pulsar give the
	// key. Nobody chose them, so nothing is said of one that does nothing.
	Stock []string
	// Doc is one paragraph on what the key does; of an unsupported key, why it is
	// refused; of one in the last section, why it does nothing.
	Doc    string
	Effect Effect
	// Secret values are never printed.
	Secret bool

	kind kind
}

// Alias is another name of a key.
type Alias struct {
	Name string
	// Wins says that this name counts when both are set.
	Wins bool
	// Unset is a value that stands for "not set" besides the empty one.
	Unset string
	// Current says that Pulsar has not replaced this name by that of the key.
	Current bool
}

// chosen tells whether someone has chosen v for k: the stock files have another value.
func (k *Key) chosen(v string) bool {
	return v != "" && v != k.Default && !slices.Contains(k.Stock, v)
}

// shown is v, a value of k, as it may be printed: masked if it is secret, or may be the key that is in a file instead of the file's
// path.
func (k *Key) shown(v string) string {
	if v != "" && (k.Secret || k.kind.path && !filename.Plausible(v)) {
		return masked
	}
	return v
}

// names returns all names of k, the one that counts first.
func (k *Key) names() []Alias {
	names := make([]Alias, 0, 1+len(k.Aliases))
	for _, a := range k.Aliases {
		if a.Wins {
			names = append(names, a)
		}
	}
	names = append(names, Alias{Name: k.Name})
	for _, a := range k.Aliases {
		if !a.Wins {
			names = append(names, a)
		}
	}
	return names
}

// guards tells whether security depends on k under this name: on a login, a permission,
// or TLS on either side.
func (k *Key) guards(name string) bool {
	switch k.Section {
	case sectionAuth, sectionTLS:
		return true
	case sectionBrokerClient:
		name = strings.ToLower(name)
		return strings.Contains(name, "tls") || strings.Contains(name, "auth")
	}
	return false
}

// Section groups keys in the explained file.
type Section uint8

// The sections, in their order.
const (
	sectionCluster Section = iota
	sectionBrokerClient
	sectionListener
	sectionSessions
	sectionOwn
	sectionOperator
	sectionAuth
	sectionTLS
	sectionInert
	sectionCount
)

// title is the heading of s in the explained file, with what is said below it.
func (s Section) title() (heading, text string) {
	switch s {
	case sectionCluster:
		return "The Pulsar cluster", "Set one of the four addresses, or clusterName together with configurationMetadataStoreUrl to have them looked up in ZooKeeper."
	case sectionBrokerClient:
		return "Connections to the brokers", ""
	case sectionListener:
		return "Where clients connect", ""
	case sectionSessions:
		return "Sessions", ""
	case sectionOwn:
		return "Keys of pulsegate alone", "The Java proxy does not know these; it ignores them, so one file can serve both."
	case sectionOperator:
		return "Pages for operators", ""
	case sectionAuth:
		return "Authentication and authorization of clients", "As long as both switches are off, anyone may do anything that pulsegate itself may do at the brokers. Where a value may take several forms, a file is best: it can be replaced while the server runs."
	case sectionTLS:
		return "TLS towards clients, and encryption of messages", "TLS 1.2 and 1.3. Files are read again when they change; open sessions stay."
	default:
		return "Accepted without effect", "Settings of the Java proxy that have no effect here."
	}
}

// Keys returns the table of all keys, in the order of the explained file. It must not be changed.
func Keys() []*Key { return table }

var (
	table  = makeTable()
	byName = indexTable(table)
)

func makeTable() []*Key {
	var all []*Key
	for _, part := range [][]Key{clusterKeys, brokerClientKeys, listenerKeys, sessionKeys, ownKeys, operatorKeys, authKeys, principalKeys, openIDKeys, tlsKeys, providerKeys, inertKeys} {
		for i := range part {
			all = append(all, &part[i])
		}
	}
	return all
}

func indexTable(keys []*Key) map[string]*Key {
	m := make(map[string]*Key)
	for _, k := range keys {
		for _, a := range k.names() {
			m[a.Name] = k
		}
	}
	return m
}

// passThrough is how the Java proxy hands any setting of its Pulsar client on.
const passThrough = "brokerClient_"

func isPassThrough(name string) bool { return strings.HasPrefix(name, passThrough) }
