// Package protocol holds the description of Pulsar's WebSocket API for machines:
// asyncapi.yaml, from which the JSON Schema files in schemas and the types in
// pulsegate.d.ts are made. Its tests compare it with the server.
package protocol

import _ "embed"

// AsyncAPI is the description, as AsyncAPI 3 in YAML.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte
