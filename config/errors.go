package config

import (
	"errors"
	"fmt"
)

// ErrNoCluster says that nothing tells where the Pulsar cluster is.
var ErrNoCluster = errors.New("no Pulsar cluster is configured")

var (
	errValue       = errors.New("not valid")
	errUnsupported = errors.New("not supported")
)

// ValueError says what is wrong with the value of one key.
type ValueError struct {
	Key    string
	Value  string // masked if it may be a secret
	Source Source
	Reason string
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s=%s (%s): %s", e.Key, e.Value, e.Source, e.Reason)
}

// KeyError says what is wrong with a key itself.
type KeyError struct {
	Key    string
	Source Source
	Reason string
}

func (e *KeyError) Error() string { return fmt.Sprintf("%s (%s): %s", e.Key, e.Source, e.Reason) }

func valueError(k *Key, e entry, err error) *ValueError {
	v := &ValueError{Key: e.name, Value: k.shown(e.value), Source: e.source}
	switch {
	case errors.Is(err, errUnsupported):
		v.Reason = k.Doc
	case errors.Is(err, errValue):
		v.Reason = "it must be " + k.kind.accepts
	case e.value == "":
		v.Reason = err.Error()
	default:
		v.Reason = err.Error() + "; it must be " + k.kind.accepts
	}
	return v
}
