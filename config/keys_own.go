package config

import (
	"math"
	"strings"
	"time"
)

var ownKeys = []Key{
	{
		Name: "brokerWebServiceUrl", Section: sectionOwn,
		Doc: "HTTP address of a broker's web service, such as http://broker:8081, to which every request is passed that is not for WebSocket: the admin API, lookups, metrics. One address then serves both, as that of a broker with its own WebSocket service does, and pulsegate's metrics are at /pulsegate/metrics. Clients log in at the broker with what they send; a client certificate cannot be passed on. Empty: such requests are answered with 404. With --broker-conf it is found in that file; set, it says that the broker listens there, and pulsegate takes the ports in the file.",
		kind: kind{accepts: "http://host:port or https://host:port", set: func(c *Config, v string) error {
			scheme, host, ok := strings.Cut(strings.TrimSuffix(v, "/"), "://")
			if !ok || scheme != schemeHTTP && scheme != schemeHTTPS || strings.ContainsAny(host, ",/?#") {
				return errValue
			}
			c.BrokerWebServiceURL = scheme + "://" + host
			return checkHosts(host)
		}},
	},
	{
		Name: "v1PublishTimeFormat", Section: sectionOwn, Default: PublishTimeSeed,
		Doc:  "Format of publishTime on v1 paths. seed: 2016-08-30 16:45:57.785 (UTC), as in the protocol's first version. iso: 2016-08-30T16:45:57.785Z, as on v2 paths and as the Java proxy 4.x sends it everywhere.",
		kind: choice(func(c *Config) *string { return &c.V1PublishTimeFormat }, PublishTimeSeed, PublishTimeISO),
	},
	{
		Name: "v1TopicNames", Section: sectionOwn, Default: V1NamesWithCluster,
		Doc:  "What the brokers call a topic that a client names in the form of version 1, property/cluster/namespace/topic. property/cluster/namespace/topic: the same; for brokers up to Pulsar 4.1. property/namespace/topic: without the cluster, whichever it is, since brokers from Pulsar 4.2 on refuse such names. Names that differ only in the cluster are then one topic; permissions are looked up for the name that is opened, and a topic's name cannot hold a slash.",
		kind: choice(func(c *Config) *string { return &c.V1TopicNames }, V1NamesWithCluster, V1NamesWithoutCluster),
	},
	{
		Name: "allowedOrigins", Section: sectionOwn,
		Doc:  "Web pages that may connect, by origin and separated by commas, such as https://app.example.com. Requests without an Origin header (all but browsers) are not affected. Empty: not checked.",
		kind: list(func(c *Config) *[]string { return &c.AllowedOrigins }),
	},
	{
		Name: "webSocketPingIdleSessions", Section: sectionOwn, Default: "true",
		Doc:  "Without webSocketPingDurationSeconds, ping a session that was silent for half of webSocketSessionIdleTimeoutMillis: a client that answers, as all libraries do by themselves, thus stays open however idle it is, and one that is gone is detected. false: like the Java proxy, which closes a producer, consumer or reader with no traffic for the whole of that time.",
		kind: boolean(func(c *Config) *bool { return &c.PingIdleSessions }),
	},
	{
		Name: "webSocketCompression", Section: sectionOwn, Default: "true",
		Doc:  "Compress messages (permessage-deflate, RFC 7692) for clients that offer it.",
		kind: boolean(func(c *Config) *bool { return &c.WebSocketCompression }),
	},
	{
		Name: "handshakeTimeoutMillis", Section: sectionOwn, Default: "15000",
		Doc:  "How long a new connection may take to send its complete request, in milliseconds.",
		kind: millis(func(c *Config) *time.Duration { return &c.HandshakeTimeout }, 1, dayMs),
	},
	{
		Name: "maxHttpHeaderBytes", Section: sectionOwn, Default: "16384",
		Doc:  "Largest request head, in bytes. A larger one is answered with 431.",
		kind: size(func(c *Config) *int { return &c.MaxHTTPHeaderBytes }, 1024, 1<<20),
	},
	{
		Name: "maxUrlBytes", Section: sectionOwn, Default: "8192",
		Doc:  "Longest URL, in bytes. A longer one is answered with 414.",
		kind: size(func(c *Config) *int { return &c.MaxURLBytes }, 256, 1<<20),
	},
	{
		Name: "maxSessionsPerAddress", Section: sectionOwn, Default: "0",
		Doc:  "Sessions that one client address may have open at once; more get 429. 0: no limit.",
		kind: number(func(c *Config) *int { return &c.MaxSessionsPerAddress }, 0, noLimit),
	},
	{
		Name: "maxTopicsPerSession", Section: sectionOwn, Default: "500",
		Doc:  "Topics, partitions counted, that one session over many (/ws/v3/consumer/…) may have, by list or by pattern; a session with more gets 400. Each is a consumer at the broker and takes about 2 KiB here. They are opened a few at a time, 500 within some seconds; an opening that takes longer than brokerClient_operationTimeoutMs fails. Topics that match a pattern later and are too many are not consumed, and the log says so.",
		kind: number(func(c *Config) *int { return &c.MaxTopicsPerSession }, 1, 100_000),
	},
	{
		Name: "maxUnreadOutputBytes", Section: sectionOwn, Default: "262144",
		Doc:  "Bytes that may wait for a session whose client does not read them. At this limit it is slowed: nothing more is fetched for it from the broker.",
		kind: size(func(c *Config) *int { return &c.MaxUnreadOutputBytes }, 64<<10, 1<<30),
	},
	{
		Name: "slowClientTimeoutMillis", Section: sectionOwn, Default: "0",
		Doc:  "A session whose client has read none of the output that waits for it for this many milliseconds is closed with 1008. 0: only webSocketSessionIdleTimeoutMillis counts, as in the Java proxy; until then what waits is bounded by maxUnreadOutputBytes.",
		kind: millis(func(c *Config) *time.Duration { return &c.SlowClientTimeout }, 0, dayMs),
	},
	{
		Name: "maxInFlightPublishes", Section: sectionOwn, Default: "1000",
		Doc:  "Publishes of one session that may wait for the broker. At this limit its socket is not read until half of them are answered.",
		kind: number(func(c *Config) *int { return &c.MaxInFlightPublishes }, 1, 1<<20),
	},
	{
		Name: "maxInFlightPublishBytes", Section: sectionOwn, Default: "8388608",
		Doc:  "The same in bytes of memory, which is about twice the payload, half a KiB, and 150 bytes for each property; one message is always let through.",
		kind: size(func(c *Config) *int { return &c.MaxInFlightPublishBytes }, 1024, 1<<30),
	},
	{
		Name: "upstreamLingerMillis", Section: sectionOwn, Default: "1000",
		Doc:  "How long a producer or a shared reader at the broker is kept after its last session has left, in milliseconds, so that clients that reconnect find it open. During that time the broker refuses to delete the topic, unless forced; 0 keeps nothing. The consumer of a subscription is closed at once, so that others get its messages.",
		kind: millis(func(c *Config) *time.Duration { return &c.UpstreamLinger }, 0, dayMs),
	},
	{
		Name: "consumersPerSharedSubscription", Section: sectionOwn, Default: "1000",
		Doc:  "Sessions of a Shared subscription (with the same parameters, on one pulsegate) that have a consumer each at the broker. Further sessions share these consumers, each the one with the fewest sessions, along with its part of the messages and its limits, such as maxUnackedMessagesPerConsumer. Another consumer takes about 1 KiB here, and in a broker what any consumer takes. 1: all sessions share one.",
		kind: number(func(c *Config) *int { return &c.SharedConsumers }, 1, 1000),
	},
	{
		Name: "tailBufferBytes", Section: sectionOwn, Default: "8388608",
		Doc:  "Bytes of encoded messages that are kept for the readers of a topic, or of each of its partitions. A reader that falls further behind has the broker send them again until it has caught up.",
		kind: size(func(c *Config) *int { return &c.TailBufferBytes }, 64<<10, 1<<30),
	},
	{
		Name: "memoryLimitInMB", Section: sectionOwn, Default: "0",
		Doc:  "Memory that the messages of all sessions may take together, in MiB: published and not answered, queued for consumers, kept for readers, unfinished or not read by clients. One session may have an eighth of what is free, but at least 64 KiB: those that hold most are slowed first. A message that does not fit any more ends its session with close code 1013; when nothing is left, new sessions get 503. The process takes about half as much again, since garbage is collected only now and then. 0: a quarter of the memory that the process may use (GOMEMLIMIT, its control group, the machine).",
		kind: whole(func(c *Config) *int64 { return &c.MemoryLimit }, "MiB", 1<<20, 0, 1<<24),
	},
	{
		Name: "embeddedMemoryLimitBytes", Section: sectionOwn, Default: "268435456",
		Doc:  "Memory that topics may take with --embedded, in bytes. When it is used up, publishes are answered with an error.",
		kind: whole(func(c *Config) *int64 { return &c.EmbeddedMemoryLimitBytes }, "bytes", 1, 1<<20, math.MaxInt64/2),
	},
	{
		Name: "drainDelayMillis", Section: sectionOwn, Default: "0",
		Doc:  "How long pulsegate goes on serving after SIGTERM, new sessions too, while /readyz answers 503 and /status.html 404, in milliseconds: the time in which whoever sends clients here notices. Behind a balancer: its interval between two checks times the checks that must fail, and some more. 0: the port closes at once.",
		kind: millis(func(c *Config) *time.Duration { return &c.DrainDelay }, 0, dayMs),
	},
	{
		Name: "drainSpreadMillis", Section: sectionOwn, Default: "0",
		Doc:  "Time over which a stop closes the sessions once the port is closed, evenly and in random order, in milliseconds, so that their clients do not come back elsewhere all at once: 20,000 sessions over 20 seconds are 1,000 in a second. Each works until its turn comes. At most drainTimeoutMillis. 0: all at once. With this or drainDelayMillis sessions are closed with 1012, after which a client may connect again at once, else with 1001.",
		kind: millis(func(c *Config) *time.Duration { return &c.DrainSpread }, 0, dayMs),
	},
	{
		Name: "drainTimeoutMillis", Section: sectionOwn, Default: "20000",
		Doc:  "How long a stop may take from the moment the port is closed, in milliseconds: to close all sessions, drainSpreadMillis included, to answer what is in flight and to wait for the clients' own close frames. Connections that are left then are cut.",
		kind: millis(func(c *Config) *time.Duration { return &c.DrainTimeout }, 0, dayMs),
	},
	{
		Name: "reusePort", Section: sectionOwn, Default: "false",
		Doc:  "Let several processes listen on the same port (SO_REUSEPORT), such as the old and the new one during an upgrade. What the old one has not accepted yet when it stops is reset.",
		kind: boolean(func(c *Config) *bool { return &c.ReusePort }),
	},
	{
		Name: "logLevel", Section: sectionOwn, Default: "info",
		Doc:  "The least important messages to log: debug (a line for each session), info, warn or error.",
		kind: choice(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error"),
	},
	{
		Name: "logFormat", Section: sectionOwn, Default: "text",
		Doc:  "Form of the log on standard error: text (key=value) or json, one record a line.",
		kind: choice(func(c *Config) *string { return &c.LogFormat }, "text", "json"),
	},
}
