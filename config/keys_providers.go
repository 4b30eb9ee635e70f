package config

import "slices"

// pluggable is the kind of a setting that names a Java class. Pulsar's own, which
// defaults name, does nothing that is not done here; another would have to run here.
func pluggable(defaults ...string) kind {
	return kind{accepts: "empty", set: func(_ *Config, v string) error {
		if slices.Contains(defaults, v) {
			return nil
		}
		return errUnsupported
	}}
}

// builtIn is Pulsar's word for its own class.
const builtIn = "default"

const noProvider = " There is no Java here; TLS is Go's own."

// providerKeys choose what does TLS inside the Java proxy (PIP-337 and PIP-478).
var providerKeys = []Key{
	{
		Name: "tlsFactoryClassName", Section: sectionTLS, Effect: Unsupported, kind: pluggable(builtIn),
		Doc: "Java class that makes TLS towards clients, from Pulsar 5 on. Only Pulsar's own, which is empty or default, works here: certificates come from the keys above.",
	},
	{
		Name: "brokerClientTlsFactoryClassName", Section: sectionTLS, Effect: Unsupported, kind: pluggable(builtIn),
		Doc: "The same towards the brokers, from Pulsar 5 on. Only Pulsar's own, which is empty or default, works here: see brokerClientTrustCertsFilePath.",
	},
	{
		Name: "brokerClient_sslFactoryPlugin", Section: sectionTLS, Effect: Unsupported, kind: pluggable(pulsarSSLFactory),
		Doc: "The same towards the brokers in Pulsar 4. Only Pulsar's own, " + pulsarSSLFactory + ", works here: see brokerClientTrustCertsFilePath.",
	},
	inert("tlsFactoryConfig", "", "Parameters of tlsFactoryClassName."+noProvider),
	inert("brokerClientTlsFactoryConfig", "", "Parameters of brokerClientTlsFactoryClassName."+noProvider),
	inert("jsseProvider", "", "Java provider of TLS towards clients, such as BCJSSE."+noProvider),
	inert("jcaProvider", "", "Java provider that reads certificates and keys, such as BCFIPS."+noProvider),
	inert("brokerClientSslProvider", "", "TLS library towards the brokers: JDK, OPENSSL or OPENSSL_REFCNT."+noProvider),
	inert("brokerClientJsseProvider", "", "Java provider of TLS towards the brokers."+noProvider),
	inert("brokerClientJcaProvider", "", "Java provider that reads certificates and keys for the brokers."+noProvider),
}

const pulsarSSLFactory = "org.apache.pulsar.common.util.DefaultPulsarSslFactory"
