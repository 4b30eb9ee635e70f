package wire

// PartitionedMetadata is CommandPartitionedTopicMetadata: how many
// partitions has this topic?
type PartitionedMetadata struct {
	Topic     string // the full name
	RequestID uint64
	// OriginalPrincipal and what follows are as in [Connect].
	OriginalPrincipal  string
	OriginalAuthData   string
	OriginalAuthMethod string
	// NoAutoCreation is the opposite of metadata_auto_creation_enabled: the broker is not to create
	// the topic. One whose feature flags do not tell of it does.
	NoAutoCreation bool
}

// Type implements [Command].
func (c *PartitionedMetadata) Type() Type { return TypePartitionedMetadata }

// Name implements [Command].
func (c *PartitionedMetadata) Name() string { return "CommandPartitionedTopicMetadata" }

func (c *PartitionedMetadata) fields(f *fields) {
	f.string(1, required, &c.Topic)
	f.uint64(2, required, &c.RequestID)
	f.string(3, optional, &c.OriginalPrincipal)
	f.string(4, optional, &c.OriginalAuthData)
	f.string(5, optional, &c.OriginalAuthMethod)
	f.boolNot(6, &c.NoAutoCreation)
}

// PartitionedMetadataResponse is CommandPartitionedTopicMetadataResponse, the
// answer to [PartitionedMetadata].
type PartitionedMetadataResponse struct {
	Partitions uint32 // 0: the topic has none
	RequestID  uint64
	Response   PartitionsType
	Error      ServerError
	HasError   bool
	Message    string
}

// Type implements [Command].
func (c *PartitionedMetadataResponse) Type() Type { return TypePartitionedMetadataResponse }

// Name implements [Command].
func (c *PartitionedMetadataResponse) Name() string { return "CommandPartitionedTopicMetadataResponse" }

func (c *PartitionedMetadataResponse) fields(f *fields) {
	f.uint32(1, optional, &c.Partitions)
	f.uint64(2, required, &c.RequestID)
	f.int32(3, optional, (*int32)(&c.Response))
	f.int32If(4, &c.HasError, (*int32)(&c.Error))
	f.string(5, optional, &c.Message)
}

// Lookup is CommandLookupTopic: which broker serves this topic? It
// makes the broker load the topic's bundle.
type Lookup struct {
	Topic         string // the full name
	RequestID     uint64
	Authoritative bool // what the redirection said that is followed
	// OriginalPrincipal and what follows are as in [Connect].
	OriginalPrincipal      string
	OriginalAuthData       string
	OriginalAuthMethod     string
	AdvertisedListenerName string // picks one of the broker's addresses
	Properties             []KeyValue
}

// Type implements [Command].
func (c *Lookup) Type() Type { return TypeLookup }

// Name implements [Command].
func (c *Lookup) Name() string { return "CommandLookupTopic" }

func (c *Lookup) fields(f *fields) {
	f.string(1, required, &c.Topic)
	f.uint64(2, required, &c.RequestID)
	f.bool(3, &c.Authoritative)
	f.string(4, optional, &c.OriginalPrincipal)
	f.string(5, optional, &c.OriginalAuthData)
	f.string(6, optional, &c.OriginalAuthMethod)
	f.string(7, optional, &c.AdvertisedListenerName)
	f.keyValues(8, &c.Properties)
}

// LookupResponse is CommandLookupTopicResponse, the answer to
// [Lookup].
type LookupResponse struct {
	BrokerServiceURL    string
	BrokerServiceURLTLS string
	Response            LookupType
	RequestID           uint64
	Authoritative       bool
	Error               ServerError
	HasError            bool
	Message             string
	// ProxyThroughServiceURL says that the broker is reached by connecting to the
	// service URL and naming it in [Connect.ProxyToBrokerURL].
	ProxyThroughServiceURL bool
}

// Type implements [Command].
func (c *LookupResponse) Type() Type { return TypeLookupResponse }

// Name implements [Command].
func (c *LookupResponse) Name() string { return "CommandLookupTopicResponse" }

func (c *LookupResponse) fields(f *fields) {
	f.string(1, optional, &c.BrokerServiceURL)
	f.string(2, optional, &c.BrokerServiceURLTLS)
	f.int32(3, optional, (*int32)(&c.Response))
	f.uint64(4, required, &c.RequestID)
	f.bool(5, &c.Authoritative)
	f.int32If(6, &c.HasError, (*int32)(&c.Error))
	f.string(7, optional, &c.Message)
	f.bool(8, &c.ProxyThroughServiceURL)
}
