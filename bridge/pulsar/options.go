package pulsar

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/keystore"
	"github.com/pulsegate/pulsegate/memory"
	client "github.com/pulsegate/pulsegate/pulsar"
)

// Options says where the cluster is and how to talk to it.
type Options struct {
	// BrokerServiceURL is pulsar://host:port or pulsar+ssl://host:port; more
	// hosts are joined by commas. It is preferred to ServiceURL.
	BrokerServiceURL string
	// ServiceURL is http://host:port or https://host:port: lookups go over HTTP.
	ServiceURL string
	// AdminURL is where the admin API answers. Empty: ServiceURL, or what the
	// configuration store says. Some commands work better with it; none needs it.
	AdminURL string
	// Store is where the cluster is looked up when both URLs are empty.
	Store ConfigurationStore
	// AdminFromStore has AdminURL looked up in Store, too, when a URL is given but none
	// of the admin API. Without an answer there is no Upstream.
	AdminFromStore bool

	// TLS is used for the addresses that ask for it, and with PreferTLS to pick
	// addresses of the configuration store.
	TLS TLS
	// AuthPlugin is the authentication towards the broker, by its Java class
	// name or a short one: token, tls, keystoretls, basic, oauth2, athenz. Empty: none.
	AuthPlugin string
	// AuthParams belong to AuthPlugin, in any form the Java client takes.
	AuthParams string

	// CryptoKeyDirectory holds the keys of message encryption, see [keyDirectory].
	// Empty: nothing is encrypted or decrypted here.
	CryptoKeyDirectory string

	// ConnectionsPerBroker, MaxPrincipals, OperationTimeout, ConnectionTimeout, KeepAlive and ListenerName are those of the
	// client to the brokers, see [client.Options]; 0: its defaults.
	ConnectionsPerBroker                           int
	MaxPrincipals                                  int
	OperationTimeout, ConnectionTimeout, KeepAlive time.Duration
	ListenerName                                   string
	// AsProxy says that the login's role is one of the brokers' proxyRoles, so that specs name principals: what is asked
	// of the admin API says that nobody else is behind it.
	AsProxy bool
	// Memory counts the messages that are kept for dead letter topics; nil: nothing does.
	Memory *memory.Budget

	// Logger gets what an operator should know; nil: [slog.Default].
	Logger *slog.Logger
}

// TLS is how connections to brokers are encrypted.
type TLS struct {
	// Prefer takes the TLS addresses that the configuration store names.
	Prefer bool
	// TrustCertsFile holds the trusted roots, in PEM. Empty: the system's.
	TrustCertsFile string
	// CertificateFile and KeyFile are the client's own, in PEM.
	CertificateFile, KeyFile string
	// TrustStore and KeyStore are stores of Java in the place of those files, if
	// their File is not empty.
	TrustStore, KeyStore keystore.Store
	// AllowInsecure accepts any certificate.
	AllowInsecure bool
	// VerifyHostname checks that the certificate is the host's.
	VerifyHostname bool
}

// withDefaults fills in what is not given and is needed here. The client to the brokers has defaults of its own for
// what is handed on to it.
func (o Options) withDefaults() Options {
	if o.OperationTimeout <= 0 {
		o.OperationTimeout = client.DefaultOperationTimeout // the admin API is asked with it, too
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// locate finds the address for the binary protocol or HTTP lookups, and the
// admin API's if known.
func (o *Options) locate() error {
	if o.BrokerServiceURL == "" && o.ServiceURL == "" {
		if len(o.Store.Servers) == 0 {
			return errors.New("no way to find the Pulsar cluster: give brokerServiceUrl, serviceUrl or configurationMetadataStoreUrl")
		}
		urls, err := o.Store.lookup(o.Logger)
		if err != nil {
			return err
		}
		o.BrokerServiceURL, o.ServiceURL = urls.pick(o.TLS.Prefer)
		if o.BrokerServiceURL == "" && o.ServiceURL == "" {
			return fmt.Errorf("%s names no service address", o.Store.node())
		}
	} else if o.AdminFromStore && o.AdminURL == "" && o.ServiceURL == "" {
		urls, err := o.Store.lookup(o.Logger)
		if err != nil {
			return fmt.Errorf("the address of the admin API: %w", err)
		}
		if _, o.AdminURL = urls.pick(o.TLS.Prefer); o.AdminURL == "" {
			return fmt.Errorf("%s names no address of the admin API: set serviceUrl", o.Store.node())
		}
	}
	for _, u := range []struct{ name, value, schemes string }{
		{"brokerServiceUrl", o.BrokerServiceURL, "pulsar:// pulsar+ssl://"},
		{"serviceUrl", o.ServiceURL, "http:// https://"},
		{"the admin URL", o.AdminURL, "http:// https://"},
	} {
		if err := checkURL(u.name, u.value, u.schemes); err != nil {
			return err
		}
	}
	if o.AdminURL == "" {
		o.AdminURL = o.ServiceURL
	}
	return nil
}

func checkURL(name, value, schemes string) error {
	if value == "" {
		return nil
	}
	for _, scheme := range strings.Fields(schemes) {
		if strings.HasPrefix(value, scheme) && len(value) > len(scheme) {
			return nil
		}
	}
	return fmt.Errorf("%s: %q does not start with %s", name, value, strings.Join(strings.Fields(schemes), " or "))
}

// lookupURL is what the client connects to.
func (o *Options) lookupURL() string {
	if o.BrokerServiceURL != "" {
		return o.BrokerServiceURL
	}
	return o.ServiceURL
}
