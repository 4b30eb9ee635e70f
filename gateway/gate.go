package gateway

import (
	"errors"
	"log/slog"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/config"
)

// errNoAdminAPI says that nobody can tell what roles may do.
var errNoAdminAPI = errors.New("authorizationEnabled=true needs the brokers' admin API: set serviceUrl")

// CheckAccess reads the keys and users that a configuration names and says what
// is wrong with them.
func CheckAccess(cfg *config.Config) error {
	if !cfg.AuthenticationEnabled {
		return nil
	}
	authenticator, err := auth.NewAuthenticator(authenticatorOptions(cfg, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	authenticator.Close()
	return nil
}

// openGate returns who decides about clients, nil if everyone is let in.
// done ends it.
func openGate(cfg *config.Config, up bridge.Upstream, log *slog.Logger) (gate *auth.Gate, done func(), err error) {
	done = func() {}
	if !cfg.AuthenticationEnabled {
		return nil, done, nil
	}
	rules, err := authRules(cfg, log)
	if err != nil {
		return nil, done, err
	}
	o := auth.GateOptions{
		Authenticator: rules.Authenticator,
		SuperUsers:    rules.SuperUsers,
		Refresh:       cfg.AuthenticationRefreshCheck,
		MaxFailures:   rules.MaxFailures,
		Logger:        log,
	}
	if cfg.ForwardOriginalPrincipal {
		o.Principals = tellPrincipals(up, cfg.ForwardAuthorizationCredentials)
	}
	if cfg.AuthorizationEnabled {
		api, err := adminAPI(up, log)
		if err != nil {
			rules.Authenticator.Close()
			return nil, done, err
		}
		o.Authorizer = auth.NewAuthorizer(auth.AuthorizerOptions{
			SuperUsers: rules.SuperUsers,
			Wildcards:  rules.Wildcards,
			Cluster:    cfg.ClusterName,
			API:        api,
			TTL:        cfg.AuthorizationCache,
			Logger:     log,
		})
	}
	gate = auth.NewGate(o)
	return gate, func() {
		gate.Close()
		if o.Authorizer != nil {
			o.Authorizer.Close()
		}
	}, nil
}

// authRules are the options of the gate that may change while it is asked.
func authRules(cfg *config.Config, log *slog.Logger) (auth.Rules, error) {
	authenticator, err := auth.NewAuthenticator(authenticatorOptions(cfg, log))
	return auth.Rules{
		Authenticator: authenticator,
		SuperUsers:    cfg.SuperUserRoles,
		Wildcards:     cfg.AuthorizationAllowWildcards,
		MaxFailures:   cfg.MaxFailedLoginsPerAddress,
	}, err
}

// adminAPI is who tells what roles may do; nil for topics in this process, of
// which no permissions are kept.
func adminAPI(up bridge.Upstream, log *slog.Logger) (auth.API, error) {
	api, ok := up.(interface {
		auth.API
		HasAdmin() bool
	})
	switch {
	case !ok:
		log.Warn("topics in this process have no permissions: with authorizationEnabled only super-users can use them")
		return nil, nil
	case !api.HasAdmin():
		return nil, errNoAdminAPI
	}
	return api, nil
}

var methods = map[string]string{
	config.ProviderToken:  auth.MethodToken,
	config.ProviderOpenID: auth.LoginOpenID,
	config.ProviderBasic:  auth.MethodBasic,
	config.ProviderTLS:    auth.MethodTLS,
}

func authenticatorOptions(cfg *config.Config, log *slog.Logger) auth.AuthenticatorOptions {
	o := auth.AuthenticatorOptions{
		Token: auth.TokenOptions{
			SecretKey:     string(cfg.TokenSecretKey),
			PublicKey:     cfg.TokenPublicKey,
			PublicAlg:     cfg.TokenPublicAlg,
			AuthClaim:     cfg.TokenAuthClaim,
			AudienceClaim: cfg.TokenAudienceClaim,
			Audience:      cfg.TokenAudience,
			ClockSkew:     cfg.TokenAllowedClockSkew,
		},
		OpenID: auth.OpenIDOptions{
			Issuers:        cfg.OpenIDIssuers,
			Audiences:      cfg.OpenIDAudiences,
			RoleClaim:      cfg.OpenIDRoleClaim,
			Leeway:         cfg.OpenIDLeeway,
			TrustCertsFile: cfg.OpenIDTrustCertsFile,
			Plain:          !cfg.OpenIDRequireHTTPS,
			Refresh:        cfg.OpenIDCacheRefresh,
			Expire:         cfg.OpenIDCacheExpiration,
			Miss:           cfg.OpenIDCacheMissRefresh,
			ConnectTimeout: cfg.OpenIDConnectTimeout,
			ReadTimeout:    cfg.OpenIDReadTimeout,
		},
		BasicConf:     string(cfg.BasicAuthConf),
		AnonymousRole: cfg.AnonymousUserRole,
		Logger:        log,
	}
	for _, class := range cfg.AuthenticationProviders {
		o.Methods = append(o.Methods, methods[class])
	}
	return o
}
