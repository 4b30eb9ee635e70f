package conformance

// The configuration variants of the table. Few, because each is one more
// process for each target. Java ignores the keys it does not know.
var (
	// smallConf has limits that a case can reach, pings from the server, and the
	// time format of today on v1 paths.
	smallConf = Conf{
		"webSocketMaxTextFrameSize":         "20000",
		"webSocketSessionIdleTimeoutMillis": "3000",
		"webSocketPingDurationSeconds":      "1",
		"v1PublishTimeFormat":               "iso",
		"allowedOrigins":                    "https://good.example",
		"statusFilePath":                    statusFile,
		"maxTopicsPerSession":               "3",
	}

	// idleConf has a short idle timeout and no pings.
	idleConf = Conf{"webSocketSessionIdleTimeoutMillis": "3000"}

	// statsConf is a process of its own for the statistics: a session whose client
	// left during the upgrade makes Java's answer 500 from then on.
	statsConf = Conf{"maxHttpServerConnections": "10000"}

	// v1NamesConf takes the cluster out of v1 names.
	v1NamesConf = Conf{"v1TopicNames": "property/namespace/topic"}

	// fewConf allows few connections.
	fewConf = Conf{"maxHttpServerConnections": "20"}
)

// noV1Names are the targets that cannot take the cluster out of v1 names.
var noV1Names = map[Kind]string{Java: "a Java proxy has the brokers' names only: one of Pulsar 4.2 has no v1 paths"}
