package codec

import (
	"math"
	"time"
)

// wrongType notes that a field's value cannot be used. The first such note is the one reported.
func (d *sendDecoder) wrongType(name string, v *value, want string) {
	if d.typeFault == "" {
		d.typeFault = name + " is " + v.kind.String() + "; expected " + want
	}
}

// text reads a field that is a string, a number or a boolean; null is as if it were not there.
func (d *sendDecoder) text(name string, v *value, to *string, has *bool) bool {
	if v.isText() {
		*to, *has = v.text(), true
		return true
	}
	*to, *has = "", false
	if v.kind != kindNull {
		d.wrongType(name, v, "a string, a number or a boolean")
	}
	return d.skip(v, 2)
}

// boolean reads a field as Jackson does: true and false, the same in quotes and three ways of writing, integers
// (0 is false); null, "null" and blank text are false.
func (d *sendDecoder) boolean(name string, v *value, to *bool) bool {
	const want = "true or false"
	*to = false
	switch v.kind {
	case kindTrue:
		*to = true
	case kindFalse, kindNull:
	case kindNumber:
		if !isInteger(v.raw) {
			d.wrongType(name, v, want)
		}
		*to = string(v.raw) != "0"
	case kindString:
		switch string(trim(v.bytes())) {
		case "true", "True", "TRUE":
			*to = true
		case "false", "False", "FALSE", "null", "":
		default:
			d.wrongType(name, v, want)
		}
	default:
		d.wrongType(name, v, want)
		return d.skip(v, 2)
	}
	return true
}

// integer reads a field that is an integer, as parseInteger does.
func (d *sendDecoder) integer(name string, v *value, low, high int64) (n int64, has, ok bool) {
	n, has, fault := parseInteger(v, low, high)
	if fault != "" && d.typeFault == "" {
		d.typeFault = name + " " + fault
	}
	return n, has, d.skip(v, 2)
}

func (d *sendDecoder) deliverAt(v *value) bool {
	ms, _, ok := d.integer("deliverAt", v, math.MinInt64, math.MaxInt64)
	d.req.DeliverAt = time.Time{}
	if ms > 0 {
		d.req.DeliverAt = time.UnixMilli(ms)
	}
	return ok
}

func (d *sendDecoder) deliverAfter(v *value) bool {
	ms, _, ok := d.integer("deliverAfterMs", v, math.MinInt64, math.MaxInt64)
	// A duration holds 292 years. Longer delays are cut to that.
	ms = min(max(ms, 0), math.MaxInt64/int64(time.Millisecond))
	d.req.DeliverAfter = time.Duration(ms) * time.Millisecond
	return ok
}

func (d *sendDecoder) messageSize(v *value) bool {
	n, has, ok := d.integer("uncompressedMessageSize", v, math.MinInt32, math.MaxInt32)
	d.req.UncompressedMessageSize, d.req.HasUncompressedMessageSize = int(n), has
	return ok
}
