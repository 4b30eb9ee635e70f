package codec

import "time"

// SendRequest is one message a producer's client wants published. Nothing in it aliases the frame it came from.
type SendRequest struct {
	Payload    []byte            // decoded; whoever gets the request may keep it, or give it to its Recycler
	Properties map[string]string // nil when the frame names none

	Context    string // given back in the reply
	HasContext bool
	Key        string // may be present and empty
	HasKey     bool

	ReplicationClusters []string // nil or empty: as the namespace says
	DisableReplication  bool     // overrides ReplicationClusters

	EventTime    time.Time     // in UTC; the zero time when the frame names none
	DeliverAt    time.Time     // the zero time when the frame names none, or one before 1970
	DeliverAfter time.Duration // 0 when the frame names none, or a negative one; counts more than DeliverAt

	// What a client that encrypts by itself says of its message, as sent; [SendRequest.Encrypted] checks it. All
	// other sessions ignore it.
	EncryptionParam            string
	CompressionType            string
	UncompressedMessageSize    int
	HasUncompressedMessageSize bool

	pooled bool // Payload is to be recycled
}

const (
	// requestMemory is about what a request takes in memory with all that is made of it on its way, in bytes, without what it holds.
	requestMemory = 512
	// clusterMemory is the same for the name of a cluster.
	clusterMemory = 64
)

// Overhead is about what the request takes in memory beyond its texts and its payload, in bytes. Each property is there twice, as it came and as it is sent.
func (r *SendRequest) Overhead() int {
	return requestMemory + 3*propertyMemory/2*len(r.Properties) + clusterMemory*len(r.ReplicationClusters)
}

// sendDecoder is one call of DecodeSend. The faults hold what is wrong with a value; all but typeFault are
// forgotten when the field comes again with a good one.
type sendDecoder struct {
	scanner
	req *SendRequest

	typeFault      string // some field is of a type that cannot be meant: code 3
	hasPayload     bool
	fastTried      bool
	payloadFault   string   // code 7
	eventTimeFault string   // code 7
	clustersFault  string   // code 3
	nullProperties []string // names that came with null: code 3 for those that have no value in the end
}

// DecodeSend reads a producer's frame into req, which it resets first. The error is an [*Error] with
// [CodeDeserialize] or [CodePayload]; req then holds the context wherever one could be read, for the reply, and
// nothing else of use. A frame that is no JSON object has none.
func DecodeSend(frame []byte, req *SendRequest) error {
	*req = SendRequest{}
	d := sendDecoder{scanner: scanner{data: frame}, req: req}
	if !d.object() || !d.fields() {
		*req = SendRequest{}
		return d.syntaxError()
	}
	return d.verdict()
}

// fields reads the object's fields. It reports false after a syntax error only.
func (d *sendDecoder) fields() bool {
	var v value
	for first := true; ; first = false {
		name, more := d.field(first)
		if !more {
			return d.fault == ""
		}
		if string(name) == "payload" && d.fastPayload() {
			continue
		}
		if !d.value(&v) {
			return false
		}
		ok := true
		switch string(name) {
		case "payload":
			ok = d.payload(&v)
		case "properties":
			ok = d.properties(&v)
		case "context":
			ok = d.text("context", &v, &d.req.Context, &d.req.HasContext)
		case "key":
			ok = d.text("key", &v, &d.req.Key, &d.req.HasKey)
		case "replicationClusters":
			ok = d.clusters(&v)
		case "eventTime":
			ok = d.eventTime(&v)
		case "deliverAt":
			ok = d.deliverAt(&v)
		case "deliverAfterMs":
			ok = d.deliverAfter(&v)
		case "disableReplication":
			ok = d.boolean("disableReplication", &v, &d.req.DisableReplication)
		case "encryptionParam":
			ok = d.text("encryptionParam", &v, &d.req.EncryptionParam, new(bool))
		case "compressionType":
			ok = d.text("compressionType", &v, &d.req.CompressionType, new(bool))
		case "uncompressedMessageSize":
			ok = d.messageSize(&v)
		default:
			ok = d.skip(&v, 2)
		}
		if !ok {
			return false
		}
	}
}

// verdict turns the faults into the answer, the payload's first, as the Java proxy checks it first.
func (d *sendDecoder) verdict() error {
	var propertiesFault string
	for _, name := range d.nullProperties {
		if _, ok := d.req.Properties[name]; !ok {
			propertiesFault = "properties: the value of " + quote([]byte(name)) + " is null"
			break
		}
	}
	switch {
	case d.typeFault != "":
		return &Error{CodeDeserialize, d.typeFault}
	case !d.hasPayload:
		return &Error{CodePayload, "payload is missing"}
	case d.payloadFault != "":
		return &Error{CodePayload, d.payloadFault}
	case propertiesFault != "":
		return &Error{CodeDeserialize, propertiesFault}
	case d.clustersFault != "":
		return &Error{CodeDeserialize, d.clustersFault}
	case d.eventTimeFault != "":
		return &Error{CodePayload, d.eventTimeFault}
	}
	return nil
}

// fastPayload reads a payload that is a string of base64 and nothing else. Such a string has no escapes and needs
// no further check, so looking for its end and decoding it is all. It reports false, having read nothing, when
// the payload is anything else, or the frame's second one: what one costs is bounded by the frame, see [decodeQuoted].
func (d *sendDecoder) fastPayload() bool {
	if d.fastTried || d.peek() != '"' {
		return false
	}
	d.fastTried = true
	payload, n, ok := decodeQuoted(d.data[d.pos+1:], quotedBlock)
	if !ok {
		return false
	}
	d.pos += n + 2
	d.req.Payload, d.req.pooled = payload, isPooled(payload)
	d.hasPayload, d.payloadFault = true, ""
	return true
}

func (d *sendDecoder) payload(v *value) bool {
	d.req.Payload, d.req.pooled = nil, false
	d.hasPayload, d.payloadFault = v.kind != kindNull, ""
	if !v.isText() {
		if v.kind != kindNull {
			d.wrongType("payload", v, "base64 text")
		}
		return d.skip(v, 2)
	}
	text := v.bytes()
	var ok bool
	if d.req.Payload, ok = decodeBase64(text); !ok {
		d.req.Payload, d.payloadFault = nil, "payload: "+base64Fault(text)
	}
	d.req.pooled = isPooled(d.req.Payload)
	return true
}

func (d *sendDecoder) eventTime(v *value) bool {
	d.req.EventTime, d.eventTimeFault = time.Time{}, ""
	if !v.isText() {
		if v.kind != kindNull {
			d.wrongType("eventTime", v, "a time")
		}
		return d.skip(v, 2)
	}
	text := v.bytes()
	var ok bool
	if d.req.EventTime, ok = parseISOTime(text); !ok {
		d.eventTimeFault = "eventTime: " + quote(text) + " is not an ISO-8601 date and time with offset"
	}
	return true
}

func (d *sendDecoder) properties(v *value) bool {
	d.req.Properties, d.nullProperties = nil, nil
	if v.kind != kindObject {
		if v.kind != kindNull {
			d.wrongType("properties", v, "an object")
		}
		return d.skip(v, 2)
	}
	for first := true; ; first = false {
		name, more := d.field(first)
		if !more {
			return d.fault == ""
		}
		var v value
		if !d.value(&v) {
			return false
		}
		switch {
		case v.isText():
			if d.req.Properties == nil {
				d.req.Properties = make(map[string]string)
			}
			d.req.Properties[string(name)] = v.text()
		case v.kind == kindNull:
			delete(d.req.Properties, string(name))
			d.nullProperties = append(d.nullProperties, string(name))
		default:
			d.wrongType("properties: "+quote(name), &v, "text, a number or a boolean")
			if !d.skip(&v, 3) {
				return false
			}
		}
	}
}

func (d *sendDecoder) clusters(v *value) bool {
	d.req.ReplicationClusters, d.clustersFault = nil, ""
	if v.kind != kindArray {
		if v.kind != kindNull {
			d.wrongType("replicationClusters", v, "an array")
		}
		return d.skip(v, 2)
	}
	for first := true; d.element(first); first = false {
		var v value
		if !d.value(&v) {
			return false
		}
		switch {
		case v.isText():
			d.req.ReplicationClusters = append(d.req.ReplicationClusters, v.text())
		case v.kind == kindNull:
			d.clustersFault = "replicationClusters: an element is null"
		default:
			d.wrongType("replicationClusters", &v, "text in each element")
			if !d.skip(&v, 3) {
				return false
			}
		}
	}
	return d.fault == ""
}
