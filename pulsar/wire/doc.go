// Package wire turns commands and message frames of Pulsar's binary protocol
// into bytes and back. It does no I/O, keeps no state and starts nothing: its
// functions may be called from any goroutine.
//
// A frame is
//
//	[total size] [command size] [BaseCommand]
//
// and with SEND and MESSAGE an entry follows in the same frame:
//
//	[magic 0x0e02, size, BrokerEntryMetadata]   only from brokers, where asked for
//	[magic 0x0e01, CRC-32C]                     over all that follows
//	[metadata size] [MessageMetadata] [payload]
//
// Sizes are big-endian, four bytes each. The payload of a batch is, once it is
// decrypted and decompressed, a row of
//
//	[metadata size] [SingleMessageMetadata] [payload]
//
// Each command is a struct whose comment names its message in PulsarApi.proto;
// the numbers in its fields method are the fields'. One such method serves both
// directions, so that they cannot disagree. Where the protocol tells a field
// that is not set from one with its default value, and the difference matters, a Has
// field or nil tells it here; a zero value is left out when writing otherwise.
//
// What is read comes from the network: every error is an [ErrMalformed] or an
// [ErrChecksum], no size is believed before it is compared with the bytes that are
// there, and fields that are not known are skipped, as every protobuf
// implementation does. Byte slices that parsing yields point into its input.
package wire
