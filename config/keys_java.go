package config

import (
	"math"
	"time"
)

const (
	noLimit = math.MaxInt32
	day     = 24 * 60 * 60 // seconds
	dayMs   = day * 1000
)

var clusterKeys = []Key{
	{
		Name: "clusterName", Section: sectionCluster,
		Doc:  "Name of the Pulsar cluster. It is the node /admin/clusters/{clusterName} when the addresses are looked up in ZooKeeper.",
		kind: text(func(c *Config) *string { return &c.ClusterName }),
	},
	{
		Name: "brokerServiceUrl", Section: sectionCluster,
		Doc:  "Binary address of the brokers, such as pulsar://broker-1:6650,broker-2:6650. It is preferred over serviceUrl.",
		kind: address(func(c *Config) *string { return &c.BrokerServiceURL }, schemePulsar, schemePulsarTLS, schemeHTTP, schemeHTTPS),
	},
	{
		Name: "brokerServiceUrlTls", Section: sectionCluster,
		Doc:  "Binary address of the brokers over TLS, such as pulsar+ssl://broker:6651. It is used when brokerClientTlsEnabled=true.",
		kind: address(func(c *Config) *string { return &c.BrokerServiceURLTLS }, schemePulsarTLS, schemeHTTPS),
	},
	{
		Name: "serviceUrl", Section: sectionCluster,
		Doc:  "HTTP address of the brokers, such as http://broker:8080. Alone it is enough: topics are then looked up over HTTP. The admin API is reached here, too.",
		kind: address(func(c *Config) *string { return &c.ServiceURL }, schemeHTTP, schemeHTTPS, schemePulsar, schemePulsarTLS),
	},
	{
		Name: "serviceUrlTls", Section: sectionCluster,
		Doc:  "HTTPS address of the brokers, such as https://broker:8443. It is used when brokerClientTlsEnabled=true.",
		kind: address(func(c *Config) *string { return &c.ServiceURLTLS }, schemeHTTPS, schemePulsarTLS),
	},
	{
		Name: "configurationMetadataStoreUrl", Section: sectionCluster,
		Aliases: []Alias{{Name: "configurationStoreServers"}, {Name: "globalZookeeperServers"}},
		Doc:     "ZooKeeper servers in which the addresses of clusterName are looked up when none is given above: [zk:]host:port,host:port[/chroot]. Port 2181 if left out. With authorizationEnabled=true and no serviceUrl the address of the admin API is looked up there, too.",
		kind: kind{accepts: "[zk:]host:port,host:port[/chroot]", set: func(c *Config, v string) (err error) {
			c.ConfigurationStore, err = parseStore(v)
			return err
		}},
	},
	{
		Name: "metadataStoreSessionTimeoutMillis", Section: sectionCluster, Default: "30000",
		Aliases: []Alias{{Name: "zooKeeperSessionTimeoutMillis", Wins: true, Unset: "-1"}},
		Doc:     "Session timeout in milliseconds that is agreed with ZooKeeper; it also bounds how long the lookup may take.",
		kind:    millis(func(c *Config) *time.Duration { return &c.MetadataStoreSessionTimeout }, 1, dayMs),
	},
}

var brokerClientKeys = []Key{
	{
		Name: "brokerClientTlsEnabled", Section: sectionBrokerClient, Default: "false",
		Doc:  "Connect to the brokers over TLS: uses brokerServiceUrlTls or serviceUrlTls, or their counterparts found in ZooKeeper.",
		kind: boolean(func(c *Config) *bool { return &c.BrokerClientTLSEnabled }),
	},
	{
		Name: "brokerClientTrustCertsFilePath", Section: sectionBrokerClient,
		Aliases: []Alias{{Name: "brokerClient_tlsTrustCertsFilePath", Wins: true, Current: true}},
		Doc:     "PEM file with the certificate authorities that a broker's certificate is checked against. Empty: those of the system.",
		kind:    file(func(c *Config) *string { return &c.BrokerClientTrustCertsFile }),
	},
	{
		Name: "brokerClient_tlsCertificateFilePath", Section: sectionBrokerClient,
		Doc:  "PEM file with the certificate that is shown to the brokers; needs brokerClient_tlsKeyFilePath.",
		kind: file(func(c *Config) *string { return &c.BrokerClientTLSCertificateFile }),
	},
	{
		Name: "brokerClient_tlsKeyFilePath", Section: sectionBrokerClient,
		Doc:  "PEM file with the private key of brokerClient_tlsCertificateFilePath.",
		kind: file(func(c *Config) *string { return &c.BrokerClientTLSKeyFile }),
	},
	{
		Name: "brokerClient_useKeyStoreTls", Section: sectionBrokerClient, Default: "false",
		Aliases: []Alias{{Name: "brokerClientTlsEnabledWithKeyStore", Current: true}},
		Doc:     "Take the certificate shown to the brokers and its key from brokerClient_tlsKeyStorePath and the authorities from brokerClient_tlsTrustStorePath, not from PEM files.",
		kind:    boolean(func(c *Config) *bool { return &c.BrokerClientUseKeyStore }),
	},
	{
		Name: "brokerClient_tlsKeyStoreType", Section: sectionBrokerClient, Default: "JKS",
		Aliases: []Alias{{Name: "brokerClientTlsKeyStoreType", Current: true}},
		Doc:     "Format of that key store: JKS or PKCS12. As in Java, the file itself tells which of the two it is, whatever this says.",
		kind:    text(func(c *Config) *string { return &c.BrokerClientKeyStoreType }),
	},
	{
		Name: "brokerClient_tlsKeyStorePath", Section: sectionBrokerClient,
		Aliases: []Alias{{Name: "brokerClientTlsKeyStore", Current: true}},
		Doc:     "Key store (JKS or PKCS12) with the certificate that is shown to the brokers and its private key, the only one in it. Empty: none is shown.",
		kind:    file(func(c *Config) *string { return &c.BrokerClientKeyStore }),
	},
	{
		Name: "brokerClient_tlsKeyStorePassword", Section: sectionBrokerClient, Secret: true,
		Aliases: []Alias{{Name: "brokerClientTlsKeyStorePassword", Current: true}},
		Doc:     "Password of that key store. Never printed.",
		kind:    secretText(func(c *Config) *Secret { return &c.BrokerClientKeyStorePassword }),
	},
	{
		Name: "brokerClient_tlsTrustStoreType", Section: sectionBrokerClient, Default: "JKS",
		Aliases: []Alias{{Name: "brokerClientTlsTrustStoreType", Current: true}},
		Doc:     "Format of the trust store for the brokers: JKS or PKCS12, told by the file itself as for the key store.",
		kind:    text(func(c *Config) *string { return &c.BrokerClientTrustStoreType }),
	},
	{
		Name: "brokerClient_tlsTrustStorePath", Section: sectionBrokerClient,
		Aliases: []Alias{{Name: "brokerClientTlsTrustStore", Current: true}},
		Doc:     "Trust store (JKS or PKCS12) with the certificate authorities that a broker's certificate is checked against. Empty: those of the system.",
		kind:    file(func(c *Config) *string { return &c.BrokerClientTrustStore }),
	},
	{
		Name: "brokerClient_tlsTrustStorePassword", Section: sectionBrokerClient, Secret: true,
		Aliases: []Alias{{Name: "brokerClientTlsTrustStorePassword", Current: true}},
		Doc:     "Password of that trust store. Never printed.",
		kind:    secretText(func(c *Config) *Secret { return &c.BrokerClientTrustStorePassword }),
	},
	{
		Name: "tlsAllowInsecureConnection", Section: sectionBrokerClient, Default: "false",
		Aliases: []Alias{{Name: "brokerClient_tlsAllowInsecureConnection", Wins: true, Current: true}},
		Doc:     "Accept any certificate from a broker. Only for trying out: the connection is then open to anyone in between. A client, too, may then show a certificate of an authority that tlsTrustCertsFilePath does not hold; it logs nobody in.",
		kind:    boolean(func(c *Config) *bool { return &c.TLSAllowInsecure }),
	},
	{
		Name: "tlsHostnameVerificationEnabled", Section: sectionBrokerClient, Default: "false",
		Aliases: []Alias{{Name: "brokerClient_tlsHostnameVerificationEnable", Wins: true, Current: true}},
		Doc:     "Check that a broker's certificate was issued for the name we connect to. Off by default, as in Pulsar 4; switch it on wherever TLS is used.",
		kind:    boolean(func(c *Config) *bool { return &c.TLSHostnameVerification }),
	},
	{
		Name: "brokerClientAuthenticationPlugin", Section: sectionBrokerClient,
		Aliases: []Alias{{Name: "brokerClient_authPluginClassName", Current: true}},
		Doc:     "How pulsegate itself logs in at the brokers, by the Java class name: org.apache.pulsar.client.impl.auth.AuthenticationToken, AuthenticationTls, AuthenticationKeyStoreTls, AuthenticationBasic, AuthenticationAthenz or oauth2.AuthenticationOAuth2. It is used only together with its parameters. Empty: no login.",
		kind: kind{accepts: "one of the Java classes " + pluginNames(), set: func(c *Config, v string) error {
			if !knownPlugin(v) {
				return errValue
			}
			c.BrokerClientAuthPlugin = v
			return nil
		}},
	},
	{
		Name: "brokerClientAuthenticationParameters", Section: sectionBrokerClient, Secret: true,
		Aliases: []Alias{{Name: "brokerClient_authParams", Current: true}},
		Doc:     "Parameters of that login, as the Java class takes them: token:eyJ… or file:///path for a token, tlsCertFile:…,tlsKeyFile:… or keyStorePath:…,keyStorePassword:… for TLS, JSON for the others. Never printed.",
		kind:    secretText(func(c *Config) *Secret { return &c.BrokerClientAuthParams }),
	},
	{
		Name: "brokerClient_operationTimeoutMs", Section: sectionBrokerClient, Default: "30000",
		Doc:  "How long creating a producer, a subscription or a reader at the broker may take, in milliseconds. A client that asks for one gets 504 then.",
		kind: millis(func(c *Config) *time.Duration { return &c.BrokerClientOperationTimeout }, 1, dayMs),
	},
	{
		Name: "brokerClient_connectionTimeoutMs", Section: sectionBrokerClient, Default: "10000",
		Doc:  "How long a TCP connection to a broker may take to open, in milliseconds.",
		kind: millis(func(c *Config) *time.Duration { return &c.BrokerClientConnectionTimeout }, 1, dayMs),
	},
	{
		Name: "brokerClient_keepAliveIntervalSeconds", Section: sectionBrokerClient, Default: "30",
		Doc:  "Seconds between the pings on a connection to a broker; one that answers none is opened anew.",
		kind: seconds(func(c *Config) *time.Duration { return &c.BrokerClientKeepAliveInterval }, 1, day),
	},
	{
		Name: "brokerClient_listenerName", Section: sectionBrokerClient,
		Doc:  "Name of the advertised listener whose addresses the brokers should give us, for networks in which they have several.",
		kind: text(func(c *Config) *string { return &c.BrokerClientListenerName }),
	},
	{
		Name: "webSocketConnectionsPerBroker", Section: sectionBrokerClient, Default: "0",
		Aliases: []Alias{{Name: "brokerClient_connectionsPerBroker", Wins: true, Current: true}, {Name: "connectionsPerBroker"}}, Stock: []string{"8"},
		Doc:  "TCP connections to each broker. 0: as many as the machine has cores.",
		kind: number(func(c *Config) *int { return &c.ConnectionsPerBroker }, 0, 1024),
	},
	{
		Name: "webSocketPulsarClientMemoryLimitInMB", Section: sectionBrokerClient, Default: "0",
		Doc:  "Memory that messages on their way to the brokers may take together, in MiB. At the limit publishes are answered with an error. 0: no limit beyond those per session.",
		kind: whole(func(c *Config) *int64 { return &c.ClientMemoryLimit }, "MiB", 1<<20, 0, 1<<20),
	},
}

var listenerKeys = []Key{
	{
		Name: "bindAddress", Section: sectionListener, Default: "0.0.0.0",
		Doc:  "Address or host name to listen on; 0.0.0.0 is all of them.",
		kind: text(func(c *Config) *string { return &c.BindAddress }),
	},
	{
		Name: "webServicePort", Section: sectionListener, Default: "8080",
		Doc:  "TCP port for WebSocket and HTTP. 0: the system picks a free one and the log names it. Empty, with webServicePortTls: only TLS is served.",
		kind: port(func(c *Config) *int { return &c.WebServicePort }),
	},
	{
		Name: "statusFilePath", Section: sectionListener,
		Doc:  "File that takes this server in and out of a load balancer: GET /status.html answers 200 while it exists, 404 otherwise. Empty: always 404.",
		kind: file(func(c *Config) *string { return &c.StatusFilePath }),
	},
	{
		Name: "webServiceTrustXForwardedFor", Section: sectionListener, Default: "false",
		Doc:  "Take a client's address from the X-Forwarded-For header. Only behind a proxy that sets it: otherwise anyone could claim any address.",
		kind: boolean(func(c *Config) *bool { return &c.TrustXForwardedFor }),
	},
	{
		Name: "webServiceHaProxyProtocolEnabled", Section: sectionListener, Default: "false",
		Doc:  "Expect the PROXY protocol (version 1 or 2) in front of every connection and take the client's address from it. Only behind a load balancer that speaks it.",
		kind: boolean(func(c *Config) *bool { return &c.HAProxyProtocol }),
	},
	{
		Name: "maxHttpServerConnections", Section: sectionListener, Default: "0",
		Doc:  "Connections that may be open at once. Beyond that a client gets 503 at once. 0 or less: what the machine allows. The Java proxy has 2048 here, and its stock file says so: remove that line to serve more.",
		kind: number(func(c *Config) *int { return &c.MaxHTTPServerConnections }, -1, noLimit),
	},
	{
		Name: "maxConcurrentHttpRequests", Section: sectionListener, Default: "1024",
		Doc:  "HTTP requests, such as for statistics, that may run at once; more get 503. Sessions and their upgrades do not count: they are connections. Nor does /healthz; /readyz and /status.html count apart. 0 or less: no limit.",
		kind: number(func(c *Config) *int { return &c.MaxConcurrentHTTPRequests }, -1, noLimit),
	},
}

var sessionKeys = []Key{
	{
		Name: "webSocketMaxTextFrameSize", Section: sectionSessions, Default: "1048576",
		Doc:  "Largest message a client may send, in bytes, after decompression. A larger one closes the session with 1009. A payload grows by a third in base64.",
		kind: size(func(c *Config) *int { return &c.MaxTextFrameSize }, 1, 1<<30),
	},
	{
		Name: "webSocketSessionIdleTimeoutMillis", Section: sectionSessions, Default: "300000",
		Doc:  "A session on which nothing was received or sent for this many milliseconds is closed with 1001. Pings and pongs count. 0 or less: never.",
		kind: millis(func(c *Config) *time.Duration { return &c.SessionIdleTimeout }, -1, math.MaxInt32),
	},
	{
		Name: "webSocketPingDurationSeconds", Section: sectionSessions, Default: "-1",
		Doc:  "Seconds between the pings we send on a session. 0 or less: only one that was silent for half of webSocketSessionIdleTimeoutMillis gets a ping, so that an idle client stays and one that is gone is detected; see webSocketPingIdleSessions.",
		kind: seconds(func(c *Config) *time.Duration { return &c.PingInterval }, -1, day),
	},
}
