package config

import "time"

// Config is the effective configuration: every key that has an effect, typed
// and within its bounds. [Load] and [Defaults] make it; afterwards it is only read.
//
// The comment of a field names its key; what the key means is said once, in the
// table that also writes the explained configuration file. Durations that may be
// switched off are 0 when they are.
type Config struct {
	// Where the cluster is. See [Config.UpstreamURL] for which address counts.

	ClusterName                 string             // clusterName
	ServiceURL                  string             // serviceUrl
	ServiceURLTLS               string             // serviceUrlTls
	BrokerServiceURL            string             // brokerServiceUrl
	BrokerServiceURLTLS         string             // brokerServiceUrlTls
	BrokerWebServiceURL         string             // brokerWebServiceUrl, "" for none
	ConfigurationStore          ConfigurationStore // configurationMetadataStoreUrl
	MetadataStoreSessionTimeout time.Duration      // metadataStoreSessionTimeoutMillis

	// How we speak to the brokers.

	BrokerClientTLSEnabled         bool          // brokerClientTlsEnabled
	BrokerClientTrustCertsFile     string        // brokerClientTrustCertsFilePath
	BrokerClientTLSCertificateFile string        // brokerClient_tlsCertificateFilePath
	BrokerClientTLSKeyFile         string        // brokerClient_tlsKeyFilePath
	BrokerClientUseKeyStore        bool          // brokerClient_useKeyStoreTls
	BrokerClientKeyStoreType       string        // brokerClient_tlsKeyStoreType
	BrokerClientKeyStore           string        // brokerClient_tlsKeyStorePath
	BrokerClientKeyStorePassword   Secret        // brokerClient_tlsKeyStorePassword
	BrokerClientTrustStoreType     string        // brokerClient_tlsTrustStoreType
	BrokerClientTrustStore         string        // brokerClient_tlsTrustStorePath
	BrokerClientTrustStorePassword Secret        // brokerClient_tlsTrustStorePassword
	TLSAllowInsecure               bool          // tlsAllowInsecureConnection
	TLSHostnameVerification        bool          // tlsHostnameVerificationEnabled
	BrokerClientAuthPlugin         string        // brokerClientAuthenticationPlugin, "" for none
	BrokerClientAuthParams         Secret        // brokerClientAuthenticationParameters
	BrokerClientOperationTimeout   time.Duration // brokerClient_operationTimeoutMs
	BrokerClientConnectionTimeout  time.Duration // brokerClient_connectionTimeoutMs
	BrokerClientKeepAliveInterval  time.Duration // brokerClient_keepAliveIntervalSeconds
	BrokerClientListenerName       string        // brokerClient_listenerName
	ConnectionsPerBroker           int           // webSocketConnectionsPerBroker, never 0
	ClientMemoryLimit              int64         // webSocketPulsarClientMemoryLimitInMB, in bytes; 0: no limit

	// Where clients find us.

	BindAddress               string // bindAddress
	WebServicePort            int    // webServicePort; 0: the system picks one; [NoPort]: only TLS is spoken
	StatusFilePath            string // statusFilePath, "" for none
	TrustXForwardedFor        bool   // webServiceTrustXForwardedFor
	HAProxyProtocol           bool   // webServiceHaProxyProtocolEnabled
	MaxHTTPServerConnections  int    // maxHttpServerConnections; 0: what the machine allows
	MaxConcurrentHTTPRequests int    // maxConcurrentHttpRequests; 0: no limit

	// TLS towards clients. [Config.TLSRange] and [Config.TLSCipherSuites] say what the names mean.

	WebServicePortTLS      int           // webServicePortTls; 0: the system picks one; [NoPort]: TLS is not spoken
	TLSCertificateFile     string        // tlsCertificateFilePath
	TLSKeyFile             string        // tlsKeyFilePath
	TLSTrustCertsFile      string        // tlsTrustCertsFilePath
	TLSRequireClientCert   bool          // tlsRequireTrustedClientCertOnConnect
	TLSCertRefreshInterval time.Duration // tlsCertRefreshCheckDurationSec
	TLSProtocols           []string      // webServiceTlsProtocols
	TLSCiphers             []string      // webServiceTlsCiphers
	TLSEnabledWithKeyStore bool          // tlsEnabledWithKeyStore
	TLSKeyStoreType        string        // tlsKeyStoreType
	TLSKeyStore            string        // tlsKeyStore
	TLSKeyStorePassword    Secret        // tlsKeyStorePassword
	TLSTrustStoreType      string        // tlsTrustStoreType
	TLSTrustStore          string        // tlsTrustStore
	TLSTrustStorePassword  Secret        // tlsTrustStorePassword

	// Encryption of messages.

	CryptoKeyDirectory string // cryptoKeyDirectory, "" for none

	// Sessions.

	MaxTextFrameSize   int           // webSocketMaxTextFrameSize, in bytes
	SessionIdleTimeout time.Duration // webSocketSessionIdleTimeoutMillis; 0: never
	PingInterval       time.Duration // webSocketPingDurationSeconds; 0: no pings asked for

	// Who may connect, and on what.

	AuthenticationEnabled       bool          // authenticationEnabled
	AuthenticationProviders     []string      // authenticationProviders: Java class names
	AnonymousUserRole           string        // anonymousUserRole, "" for none
	SuperUserRoles              []string      // superUserRoles
	AuthenticationRefreshCheck  time.Duration // authenticationRefreshCheckSeconds; 0: tokens are looked at once
	TokenSecretKey              Secret        // tokenSecretKey
	TokenPublicKey              string        // tokenPublicKey
	TokenPublicAlg              string        // tokenPublicAlg
	TokenAuthClaim              string        // tokenAuthClaim
	TokenAudienceClaim          string        // tokenAudienceClaim
	TokenAudience               string        // tokenAudience
	TokenAllowedClockSkew       time.Duration // tokenAllowedClockSkewSeconds
	TokenSettingPrefix          string        // tokenSettingPrefix
	OpenIDIssuers               []string      // openIDAllowedTokenIssuers
	OpenIDAudiences             []string      // openIDAllowedAudiences
	OpenIDRoleClaim             string        // openIDRoleClaim
	OpenIDLeeway                time.Duration // openIDAcceptedTimeLeewaySeconds
	OpenIDTrustCertsFile        string        // openIDTokenIssuerTrustCertsFilePath, "" for the system's
	OpenIDRequireHTTPS          bool          // openIDRequireIssuersUseHttps
	OpenIDCacheRefresh          time.Duration // openIDCacheRefreshAfterWriteSeconds
	OpenIDCacheExpiration       time.Duration // openIDCacheExpirationSeconds
	OpenIDCacheMissRefresh      time.Duration // openIDKeyIdCacheMissRefreshSeconds
	OpenIDConnectTimeout        time.Duration // openIDHttpConnectionTimeoutMillis
	OpenIDReadTimeout           time.Duration // openIDHttpReadTimeoutMillis
	OpenIDFallback              string        // openIDFallbackDiscoveryMode
	BasicAuthConf               Secret        // basicAuthConf
	MaxFailedLoginsPerAddress   int           // maxFailedLoginsPerAddress; 0: no limit
	AuthorizationEnabled        bool          // authorizationEnabled
	AuthorizationProvider       string        // authorizationProvider
	AuthorizationAllowWildcards bool          // authorizationAllowWildcardsMatching
	AuthorizeDeadLetters        bool          // authorizeDefaultDeadLetterTopic
	AuthorizationCache          time.Duration // authorizationCacheMillis

	ForwardOriginalPrincipal        bool // forwardOriginalPrincipal
	ForwardAuthorizationCredentials bool // forwardAuthorizationCredentials
	MaxOriginalPrincipals           int  // maxOriginalPrincipals

	// Keys of pulsegate alone.

	V1PublishTimeFormat      string        // v1PublishTimeFormat: [PublishTimeSeed] or [PublishTimeISO]
	V1TopicNames             string        // v1TopicNames: [V1NamesWithCluster] or [V1NamesWithoutCluster]
	AllowedOrigins           []string      // allowedOrigins; empty: not checked
	PingIdleSessions         bool          // webSocketPingIdleSessions
	WebSocketCompression     bool          // webSocketCompression
	HandshakeTimeout         time.Duration // handshakeTimeoutMillis
	DrainDelay               time.Duration // drainDelayMillis
	OperatorPages            bool          // operatorPages
	OperatorServicePort      int           // operatorServicePort; NoPort: the pages are where everything is
	OperatorBindAddress      string        // operatorBindAddress
	MetricsNamespaces        int           // metricsNamespaces; 0: none
	DrainSpread              time.Duration // drainSpreadMillis, never more than DrainTimeout
	DrainTimeout             time.Duration // drainTimeoutMillis
	SlowClientTimeout        time.Duration // slowClientTimeoutMillis
	MaxTopicsPerSession      int           // maxTopicsPerSession
	MaxSessionsPerAddress    int           // maxSessionsPerAddress; 0: no limit
	MaxUnreadOutputBytes     int           // maxUnreadOutputBytes
	MaxInFlightPublishes     int           // maxInFlightPublishes
	MaxInFlightPublishBytes  int           // maxInFlightPublishBytes
	MaxHTTPHeaderBytes       int           // maxHttpHeaderBytes
	MaxURLBytes              int           // maxUrlBytes
	UpstreamLinger           time.Duration // upstreamLingerMillis
	SharedConsumers          int           // consumersPerSharedSubscription
	TailBufferBytes          int           // tailBufferBytes
	MemoryLimit              int64         // memoryLimitInMB, in bytes; 0: a quarter of what the process may use
	EmbeddedMemoryLimitBytes int64         // embeddedMemoryLimitBytes
	ReusePort                bool          // reusePort
	LogLevel                 string        // logLevel: debug, info, warn or error
	LogFormat                string        // logFormat: text or json

	settings map[*Key]setting
}

// The values of [Config.V1PublishTimeFormat].
const (
	PublishTimeSeed = "seed" // 2016-08-30 16:45:57.785
	PublishTimeISO  = "iso"  // 2016-08-30T16:45:57.785Z
)

// The values of [Config.V1TopicNames].
const (
	V1NamesWithCluster    = "property/cluster/namespace/topic" // as clients give them
	V1NamesWithoutCluster = "property/namespace/topic"
)

// Defaults returns the configuration of an empty file.
func Defaults() *Config {
	c, _, err := resolve()
	if err != nil {
		panic("config: a default of the table is not valid: " + err.Error())
	}
	return c
}
