package config

var operatorKeys = []Key{
	{
		Name: "operatorPages", Section: sectionOperator, Default: "true",
		Doc:  "Serve the console at /console/, and what it shows as JSON below /gateway/: sessions, topics, connections to brokers, refusals, the configuration with its secrets masked. Where clients log in, they are for super-users, who may also close sessions, change the log level and take profiles. Where they do not, programs on the gateway's own machine may look; connections that a TCP proxy there passes on look the same.",
		kind: boolean(func(c *Config) *bool { return &c.OperatorPages }),
	},
	{
		Name: "operatorServicePort", Section: sectionOperator,
		Doc:  "Serve the operator's pages on this port, over plain HTTP, and no longer beside the clients. Where clients do not log in, whoever reaches it may look and act: keep it private. Each process that shares a port by reusePort needs one of its own. Empty: where the clients are served.",
		kind: port(func(c *Config) *int { return &c.OperatorServicePort }),
	},
	{
		Name: "operatorBindAddress", Section: sectionOperator, Default: "127.0.0.1",
		Doc:  "The address to listen on for operatorServicePort.",
		kind: text(func(c *Config) *string { return &c.OperatorBindAddress }),
	},
	{
		Name: "metricsNamespaces", Section: sectionOperator, Default: "0",
		Doc:  "How many namespaces have metrics of their own, pulsegate_namespace_…: sessions, and messages and bytes published, delivered and acknowledged. The first that are used get them, until a restart; all others are together in namespace=\"other\". Each takes seven series in Prometheus. 0: none.",
		kind: number(func(c *Config) *int { return &c.MetricsNamespaces }, 0, 10_000),
	},
}
