package config

import (
	"errors"
	"fmt"
	"strings"
)

// live names the keys that may change while the server serves: the log level,
// limits and timeouts, who may connect and how, and the certificates.
var live = func() map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(`
		logLevel
		maxHttpServerConnections maxConcurrentHttpRequests maxSessionsPerAddress maxHttpHeaderBytes maxUrlBytes
		handshakeTimeoutMillis webSocketMaxTextFrameSize webSocketSessionIdleTimeoutMillis webSocketPingDurationSeconds
		webSocketPingIdleSessions slowClientTimeoutMillis maxUnreadOutputBytes maxTopicsPerSession
		maxInFlightPublishes maxInFlightPublishBytes webSocketPulsarClientMemoryLimitInMB tailBufferBytes memoryLimitInMB
		drainTimeoutMillis allowedOrigins
		authenticationProviders anonymousUserRole superUserRoles tokenSecretKey tokenPublicKey tokenPublicAlg tokenAuthClaim
		tokenAudienceClaim tokenAudience tokenAllowedClockSkewSeconds tokenSettingPrefix basicAuthConf
		openIDAllowedTokenIssuers openIDAllowedAudiences openIDRoleClaim openIDAcceptedTimeLeewaySeconds openIDTokenIssuerTrustCertsFilePath
		openIDRequireIssuersUseHttps openIDCacheRefreshAfterWriteSeconds openIDCacheExpirationSeconds openIDKeyIdCacheMissRefreshSeconds
		openIDHttpConnectionTimeoutMillis openIDHttpReadTimeoutMillis
		maxFailedLoginsPerAddress authorizationAllowWildcardsMatching authorizeDefaultDeadLetterTopic
		tlsCertificateFilePath tlsKeyFilePath tlsTrustCertsFilePath tlsRequireTrustedClientCertOnConnect
		tlsCertRefreshCheckDurationSec webServiceTlsProtocols webServiceTlsCiphers tlsEnabledWithKeyStore
		tlsKeyStore tlsKeyStorePassword tlsTrustStore tlsTrustStorePassword`) {
		set[name] = true
	}
	return set
}()

// Live reports whether the key may change while the server serves. All others count
// from the next start on.
func (k *Key) Live() bool { return live[k.Name] }

// Change is a key whose value is another one in a newer configuration.
type Change struct {
	Key         string
	Before, Now string // masked if they may be secrets
	Source      Source // of the newer value
	Live        bool   // it takes effect without a restart
}

// Reload returns the configuration that counts when next was read while c is in
// effect: next, but with the values of c where only a restart could change them. An
// error says that those two do not go together; then c stays in effect as it is.
func (c *Config) Reload(next *Config) (*Config, []Change, error) {
	merged := blank()
	var changes []Change
	waiting := false
	for _, k := range table {
		before, now := c.settings[k], next.settings[k]
		if changed := !k.same(before, now); changed && k.Effect == Effective {
			changes = append(changes, Change{k.Name, before.value, now.value, now.source, k.Live()})
			waiting = waiting || !k.Live()
		}
		if !k.Live() {
			now = before
		}
		chosen := entry{}
		if now.chosen != nil {
			chosen = *now.chosen
		}
		if err := merged.apply(k, chosen, now.chosen != nil); err != nil {
			return nil, nil, err
		}
	}
	if _, errs := merged.finish(); len(errs) > 0 {
		err := errors.Join(errs...)
		if waiting {
			err = fmt.Errorf("without a restart only a part of the changes can take effect, and that does not go together: %w", err)
		}
		return nil, nil, err
	}
	return merged, changes, nil
}

// same reports whether two settings of k mean the same.
func (k *Key) same(a, b setting) bool {
	// An empty value that means something is another one than the default.
	if k.kind.clear != nil && (a.chosen == nil) != (b.chosen == nil) {
		return false
	}
	text := func(s setting) string {
		if s.chosen == nil || s.chosen.value == "" {
			return k.Default
		}
		return s.chosen.value
	}
	return text(a) == text(b)
}
