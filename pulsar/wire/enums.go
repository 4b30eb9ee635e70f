package wire

import "strconv"

// The protocol versions (ProtocolVersion) that this package is written for and
// that change what may be sent.
const (
	// VersionAckResponse is the first to answer ACK.
	VersionAckResponse = 17
	// Version is the newest.
	Version = 20
)

// name is the text of an enum's value; one that is not known is its number.
func name[T ~int32](names []string, v T) string {
	if v >= 0 && int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return strconv.Itoa(int(v))
}

// ServerError is ServerError: what kind of thing went wrong at the broker.
type ServerError int32

// The values of ServerError.
const (
	UnknownError ServerError = iota
	MetadataError
	PersistenceError
	AuthenticationError
	AuthorizationError
	ConsumerBusy
	ServiceNotReady // try again after a fresh lookup
	ProducerBlockedQuotaExceededError
	ProducerBlockedQuotaExceededException
	ChecksumError
	UnsupportedVersionError
	TopicNotFound
	SubscriptionNotFound
	ConsumerNotFound
	TooManyRequests
	TopicTerminatedError
	ProducerBusy
	InvalidTopicName
	IncompatibleSchema
	ConsumerAssignError
	TransactionCoordinatorNotFound
	InvalidTxnStatus
	NotAllowedError
	TransactionConflict
	TransactionNotFound
	ProducerFenced
)

var serverErrors = []string{
	"UnknownError", "MetadataError", "PersistenceError", "AuthenticationError", "AuthorizationError", "ConsumerBusy",
	"ServiceNotReady", "ProducerBlockedQuotaExceededError", "ProducerBlockedQuotaExceededException", "ChecksumError",
	"UnsupportedVersionError", "TopicNotFound", "SubscriptionNotFound", "ConsumerNotFound", "TooManyRequests",
	"TopicTerminatedError", "ProducerBusy", "InvalidTopicName", "IncompatibleSchema", "ConsumerAssignError",
	"TransactionCoordinatorNotFound", "InvalidTxnStatus", "NotAllowedError", "TransactionConflict",
	"TransactionNotFound", "ProducerFenced",
}

// String returns the name in PulsarApi.proto.
func (e ServerError) String() string { return name(serverErrors, e) }

// SchemaType is Schema.Type; this package needs none of its values by name.
type SchemaType int32

// CompressionType is CompressionType.
type CompressionType int32

// The values of CompressionType.
const (
	NoCompression CompressionType = iota
	LZ4
	ZLIB
	ZSTD
	SNAPPY
)

// String returns the name in PulsarApi.proto.
func (t CompressionType) String() string {
	return name([]string{"NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"}, t)
}

// ProducerAccessMode is ProducerAccessMode.
type ProducerAccessMode int32

// The values of ProducerAccessMode.
const (
	AccessShared ProducerAccessMode = iota
	AccessExclusive
	AccessWaitForExclusive
	AccessExclusiveWithFencing
)

// SubType is CommandSubscribe.SubType.
type SubType int32

// The values of SubType.
const (
	Exclusive SubType = iota
	Shared
	Failover
	KeyShared
)

// String returns the name in PulsarApi.proto.
func (t SubType) String() string {
	return name([]string{"Exclusive", "Shared", "Failover", "Key_Shared"}, t)
}

// InitialPosition is CommandSubscribe.InitialPosition.
type InitialPosition int32

// The values of InitialPosition.
const (
	Latest InitialPosition = iota
	Earliest
)

// KeySharedMode is KeySharedMode.
type KeySharedMode int32

// The values of KeySharedMode.
const (
	AutoSplit KeySharedMode = iota
	Sticky
)

// AckType is CommandAck.AckType.
type AckType int32

// The values of AckType.
const (
	Individual AckType = iota
	Cumulative
)

// ValidationError is CommandAck.ValidationError: why a message is acknowledged that
// was not given to the application.
type ValidationError int32

// The values of ValidationError.
const (
	UncompressedSizeCorruption ValidationError = iota
	DecompressionError
	ChecksumMismatch
	BatchDeSerializeError
	DecryptionError
)

// LookupType is CommandLookupTopicResponse.LookupType.
type LookupType int32

// The values of LookupType.
const (
	LookupRedirect LookupType = iota
	LookupConnect
	LookupFailed
)

// PartitionsType is CommandPartitionedTopicMetadataResponse.LookupType.
type PartitionsType int32

// The values of PartitionsType.
const (
	PartitionsSuccess PartitionsType = iota
	PartitionsFailed
)

// TopicsMode is CommandGetTopicsOfNamespace.Mode.
type TopicsMode int32

// The values of TopicsMode.
const (
	PersistentTopics TopicsMode = iota
	NonPersistentTopics
	AllTopics
)

// ResourceType is CommandTopicMigrated.ResourceType.
type ResourceType int32

// The values of ResourceType.
const (
	ProducerResource ResourceType = iota
	ConsumerResource
)
