package config

func inert(name, def, reason string) Key {
	return Key{Name: name, Section: sectionInert, Default: def, Doc: reason, Effect: WithoutEffect, kind: anything()}
}

const noThreads = " There are no thread pools: event loops and Go's scheduler use all cores (the environment variable GOMAXPROCS limits them)."

var inertKeys = []Key{
	{
		Name: "webSocketNumIoThreads", Section: sectionInert, Effect: WithoutEffect, kind: anything(),
		Aliases: []Alias{{Name: "numIoThreads"}}, Stock: []string{"8"},
		Doc: "Network threads of the Java client." + noThreads,
	},
	inert("webSocketNumServiceThreads", "20", "Threads for timers."+noThreads),
	inert("numHttpServerThreads", "", "Threads that serve clients."+noThreads),
	inert("httpServerThreadPoolQueueSize", "8192", "Tasks that may wait for such a thread."+noThreads),
	inert("httpServerAcceptQueueSize", "8192", "Connections that may wait to be accepted. That queue is the kernel's (net.core.somaxconn)."),
	{
		Name: "metadataStoreCacheExpirySeconds", Section: sectionInert, Default: "300", Effect: WithoutEffect, kind: anything(),
		Aliases: []Alias{{Name: "zooKeeperCacheExpirySeconds", Wins: true, Unset: "-1"}},
		Doc:     "How long to cache what was read from ZooKeeper. Nothing is cached: the cluster's addresses are looked up once, at start.",
	},
	inert("metadataStoreAllowReadOnlyOperations", "false", "Go on reading from a ZooKeeper that lost its majority. It is read once, at start, and never written."),
	inert("webServiceLogDetailedAddresses", "", "Both ends of a connection in the request log. There is no such log; each session's log line names the client's address."),
}
