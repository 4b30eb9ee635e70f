package wire

// Connect is CommandConnect, the first command on a connection.
type Connect struct {
	ClientVersion   string
	AuthMethod      int32 // deprecated by the protocol: AuthMethodName
	AuthMethodName  string
	AuthData        []byte
	ProtocolVersion int32
	// ProxyToBrokerURL makes Pulsar's proxy connect to this broker, host:port.
	ProxyToBrokerURL string
	// OriginalPrincipal is the role on whose behalf a proxy connects, whose own
	// login AuthData is; OriginalAuthData and OriginalAuthMethod are that role's.
	OriginalPrincipal  string
	OriginalAuthData   string
	OriginalAuthMethod string
	FeatureFlags       FeatureFlags
	ProxyVersion       string // of Pulsar's proxy, from brokers' version 3.3 on
}

// Type implements [Command].
func (c *Connect) Type() Type { return TypeConnect }

// Name implements [Command].
func (c *Connect) Name() string { return "CommandConnect" }

func (c *Connect) fields(f *fields) {
	f.string(1, required, &c.ClientVersion)
	f.int32(2, optional, &c.AuthMethod)
	f.bytes(3, optional, &c.AuthData)
	f.int32(4, optional, &c.ProtocolVersion)
	f.string(5, optional, &c.AuthMethodName)
	f.string(6, optional, &c.ProxyToBrokerURL)
	f.string(7, optional, &c.OriginalPrincipal)
	f.string(8, optional, &c.OriginalAuthData)
	f.string(9, optional, &c.OriginalAuthMethod)
	f.inner(10, "FeatureFlags", &c.FeatureFlags)
	f.string(11, optional, &c.ProxyVersion)
}

// FeatureFlags is FeatureFlags: what one side can do.
type FeatureFlags struct {
	SupportsAuthRefresh         bool
	SupportsBrokerEntryMetadata bool
	SupportsPartialProducer     bool
	SupportsTopicWatchers       bool
	// SupportsGetPartitionedMetadataWithoutAutoCreation and what follows are of 4.0.
	SupportsGetPartitionedMetadataWithoutAutoCreation bool
	SupportsReplDedupByLidAndEid                      bool
}

func (m *FeatureFlags) fields(f *fields) {
	f.bool(1, &m.SupportsAuthRefresh)
	f.bool(2, &m.SupportsBrokerEntryMetadata)
	f.bool(3, &m.SupportsPartialProducer)
	f.bool(4, &m.SupportsTopicWatchers)
	f.bool(5, &m.SupportsGetPartitionedMetadataWithoutAutoCreation)
	f.bool(6, &m.SupportsReplDedupByLidAndEid)
}

// Connected is CommandConnected, the answer to [Connect].
type Connected struct {
	ServerVersion   string
	ProtocolVersion int32
	MaxMessageSize  int32 // bytes, 0: not told
	FeatureFlags    FeatureFlags
}

// Type implements [Command].
func (c *Connected) Type() Type { return TypeConnected }

// Name implements [Command].
func (c *Connected) Name() string { return "CommandConnected" }

func (c *Connected) fields(f *fields) {
	f.string(1, required, &c.ServerVersion)
	f.int32(2, optional, &c.ProtocolVersion)
	f.int32(3, optional, &c.MaxMessageSize)
	f.inner(4, "FeatureFlags", &c.FeatureFlags)
}

// AuthData is AuthData.
type AuthData struct {
	AuthMethodName string
	AuthData       []byte
}

func (m *AuthData) fields(f *fields) {
	f.string(1, optional, &m.AuthMethodName)
	f.bytes(2, optional, &m.AuthData)
}

// AuthChallenge is CommandAuthChallenge: the broker asks for a login again, or for the
// next step of one.
type AuthChallenge struct {
	ServerVersion   string
	Challenge       AuthData
	ProtocolVersion int32
}

// Type implements [Command].
func (c *AuthChallenge) Type() Type { return TypeAuthChallenge }

// Name implements [Command].
func (c *AuthChallenge) Name() string { return "CommandAuthChallenge" }

func (c *AuthChallenge) fields(f *fields) {
	f.string(1, optional, &c.ServerVersion)
	f.inner(2, "AuthData", &c.Challenge)
	f.int32(3, optional, &c.ProtocolVersion)
}

// AuthResponse is CommandAuthResponse, the answer to [AuthChallenge].
type AuthResponse struct {
	ClientVersion   string
	Response        AuthData
	ProtocolVersion int32
}

// Type implements [Command].
func (c *AuthResponse) Type() Type { return TypeAuthResponse }

// Name implements [Command].
func (c *AuthResponse) Name() string { return "CommandAuthResponse" }

func (c *AuthResponse) fields(f *fields) {
	f.string(1, optional, &c.ClientVersion)
	f.inner(2, "AuthData", &c.Response)
	f.int32(3, optional, &c.ProtocolVersion)
}

// Ping is CommandPing. Either side answers it by [Pong].
type Ping struct{}

// Type implements [Command].
func (c *Ping) Type() Type { return TypePing }

// Name implements [Command].
func (c *Ping) Name() string { return "CommandPing" }

func (c *Ping) fields(*fields) {}

// Pong is CommandPong.
type Pong struct{}

// Type implements [Command].
func (c *Pong) Type() Type { return TypePong }

// Name implements [Command].
func (c *Pong) Name() string { return "CommandPong" }

func (c *Pong) fields(*fields) {}

// Success is CommandSuccess, the answer to a request that yields nothing else.
type Success struct {
	RequestID uint64
	Schema    *Schema
}

// Type implements [Command].
func (c *Success) Type() Type { return TypeSuccess }

// Name implements [Command].
func (c *Success) Name() string { return "CommandSuccess" }

func (c *Success) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	innerIf(f, 2, "Schema", &c.Schema)
}

// Error is CommandError, the answer to a request that failed. A broker that
// refuses a connection sends it with a request id of no meaning.
type Error struct {
	RequestID uint64
	Error     ServerError
	Message   string
}

// Type implements [Command].
func (c *Error) Type() Type { return TypeError }

// Name implements [Command].
func (c *Error) Name() string { return "CommandError" }

func (c *Error) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.int32(2, required, (*int32)(&c.Error))
	f.string(3, required, &c.Message)
}
