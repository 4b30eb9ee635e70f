package config

// principalKeys have the brokers be told whose sessions there are.
var principalKeys = []Key{
	{
		Name: "forwardOriginalPrincipal", Section: sectionAuth, Default: "false",
		Doc:  "Tell the brokers the role of each client, as Pulsar's own proxy for the binary protocol does, so that they decide what it may do and their logs and statistics name it. The role that pulsegate itself has at the brokers must be one of their proxyRoles then, and be allowed what its clients do, as a super-user is; by itself it can do nothing. Nothing is shared among sessions of different roles, and each role has connections of its own: this is for some hundred roles, not for one per device. Needs authenticationEnabled=true; authorizationEnabled=true asks twice, and needs brokers of 4.0.7 or newer. A key of pulsegate alone.",
		kind: boolean(func(c *Config) *bool { return &c.ForwardOriginalPrincipal }),
	},
	{
		Name: "forwardAuthorizationCredentials", Section: sectionAuth, Default: "false",
		Doc:  "With forwardOriginalPrincipal, show the brokers the client's token or password, too, for those with authenticateOriginalAuthData=true, which check it themselves. Of several clients of one role the credentials that last longest are shown, for all of them. When they run out a broker asks for newer ones: those of a client that has come since, or has renewed its own (authenticationRefreshCheckSeconds); without any, the role's sessions end. A client certificate cannot be shown.",
		kind: boolean(func(c *Config) *bool { return &c.ForwardAuthorizationCredentials }),
	},
	{
		Name: "maxOriginalPrincipals", Section: sectionAuth, Default: "1000",
		Doc:  "With forwardOriginalPrincipal, the maximum number of roles with sessions at the same time; a client with a further role gets 503. Connections of a role without sessions are closed after a minute, or when the place is needed. A key of pulsegate alone.",
		kind: number(func(c *Config) *int { return &c.MaxOriginalPrincipals }, 1, 100_000),
	},
}
