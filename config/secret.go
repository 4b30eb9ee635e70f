package config

import "log/slog"

// Secret is a value that must not be seen: every way of printing it shows only
// whether it is set. Convert it to a string to use it.
type Secret string

const masked = "******"

// String returns a mask, or "" when nothing is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString is [Secret.String], for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is [Secret.String], for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is [Secret.String], for log records.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
