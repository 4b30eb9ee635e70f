package config

// switchedOff is the kind of a switch that cannot be thrown yet.
func switchedOff() kind {
	return kind{accepts: "false", set: func(_ *Config, v string) error {
		on, err := parseBool(v)
		if err == nil && on {
			return errUnsupported
		}
		return err
	}}
}

func later(s Section, name, def, doc string) Key {
	return Key{Name: name, Section: s, Default: def, Doc: doc, Effect: WithoutEffect, kind: anything()}
}

func laterSecret(s Section, name, doc string) Key {
	k := later(s, name, "", doc)
	k.Secret = true
	return k
}

func refused(s Section, name, def, doc string, k kind) Key {
	return Key{Name: name, Section: s, Default: def, Doc: doc, Effect: Unsupported, kind: k}
}

var authKeys = []Key{
	refused(sectionAuth, "authenticationEnabled", "false", "Clients would have to log in. Not supported yet: true is refused, because everyone would be let in.", switchedOff()),
	refused(sectionAuth, "authorizationEnabled", "false", "Clients would need permission for a topic. Not supported yet: true is refused, because everything would be allowed.", switchedOff()),
	later(sectionAuth, "authenticationProviders", "", "Which kinds of login are accepted, as Java class names separated by commas."),
	later(sectionAuth, "authenticationRefreshCheckSeconds", "0", "Seconds between two checks that the tokens of open sessions are still valid."),
	later(sectionAuth, "authorizationProvider", "org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider", "Java class that decides what a role may do."),
	later(sectionAuth, "authorizationAllowWildcardsMatching", "false", "Whether * stands for any text in a role."),
	later(sectionAuth, "superUserRoles", "", "Roles that may do everything, separated by commas."),
	later(sectionAuth, "anonymousUserRole", "", "Role of clients that do not log in."),
	laterSecret(sectionAuth, "tokenSecretKey", "Secret that tokens are signed with. Never printed."),
	later(sectionAuth, "tokenPublicKey", "", "Public key that tokens are checked with."),
	later(sectionAuth, "tokenPublicAlg", "RS256", "Signature algorithm that belongs to tokenPublicKey."),
	later(sectionAuth, "tokenAuthClaim", "sub", "Claim of a token that holds the role."),
	later(sectionAuth, "tokenAudienceClaim", "", "Claim of a token that names its audience."),
	later(sectionAuth, "tokenAudience", "", "The audience that a token must have been issued for."),
	later(sectionAuth, "tokenAllowedClockSkewSeconds", "0", "Seconds by which the clock of a token's issuer may be off."),
	later(sectionAuth, "tokenSettingPrefix", "", "What the names of the token keys start with."),
	laterSecret(sectionAuth, "basicAuthConf", "Users and password hashes of HTTP Basic, or a file with them. Never printed."),
}
