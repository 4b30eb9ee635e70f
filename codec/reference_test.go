package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// This file says the protocol's decoding rules a second time, on top of encoding/json and with no thought for
// speed. The fuzz targets hold the scanner against it.

// refField is one field of a JSON object, its value as json.Decoder.Token gives it: string, json.Number, bool,
// nil, refObject or refArray.
type refField struct {
	name  string
	value any
}

type (
	refObject []refField
	refArray  []any
)

// refParse reads the object a frame starts with.
func refParse(frame []byte) (refObject, bool) {
	var raw json.RawMessage
	if json.NewDecoder(bytes.NewReader(frame)).Decode(&raw) != nil || raw[0] != '{' || !utf8.Valid(raw) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, ok := refValue(dec, 1)
	if !ok {
		return nil, false
	}
	return v.(refObject), true
}

func refValue(dec *json.Decoder, depth int) (any, bool) {
	tok, err := dec.Token()
	if err != nil {
		panic(fmt.Sprintf("a valid value does not tokenize: %v", err))
	}
	switch tok {
	case json.Delim('{'):
		if depth > 1000 {
			return nil, false
		}
		object := refObject{}
		for dec.More() {
			name, _ := dec.Token()
			v, ok := refValue(dec, depth+1)
			if !ok {
				return nil, false
			}
			object = append(object, refField{name.(string), v})
		}
		dec.Token()
		return object, true
	case json.Delim('['):
		if depth > 1000 {
			return nil, false
		}
		array := refArray{}
		for dec.More() {
			v, ok := refValue(dec, depth+1)
			if !ok {
				return nil, false
			}
			array = append(array, v)
		}
		dec.Token()
		return array, true
	}
	return tok, true
}

// refText is the text a value stands for.
func refText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// refInteger reads an integer field; has is false for null.
func refInteger(v any, bits int) (n int64, has, ok bool) {
	switch v := v.(type) {
	case nil:
		return 0, false, true
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if strings.ContainsAny(v.String(), ".eE") {
			f, ferr := strconv.ParseFloat(v.String(), 64)
			err = ferr
			if f < -1<<63 || f > 1<<63 {
				return 0, false, false
			}
			n = 1<<63 - 1
			if f < 1<<63 {
				n = int64(f)
			}
		}
		if err != nil || bits == 32 && int64(int32(n)) != n {
			return 0, false, false
		}
		return n, true, true
	case string:
		s := strings.TrimFunc(v, func(r rune) bool { return r <= ' ' })
		if s == "" || s == "null" {
			return 0, false, true
		}
		n, err := strconv.ParseInt(s, 10, bits)
		return n, err == nil, err == nil
	}
	return 0, false, false
}

// refBool reads a boolean field.
func refBool(v any) (b, ok bool) {
	switch v := v.(type) {
	case nil:
		return false, true
	case bool:
		return v, true
	case json.Number:
		return v.String() != "0", !strings.ContainsAny(v.String(), ".eE")
	case string:
		switch strings.TrimFunc(v, func(r rune) bool { return r <= ' ' }) {
		case "", "null", "false", "False", "FALSE":
			return false, true
		case "true", "True", "TRUE":
			return true, true
		}
	}
	return false, false
}

// refBase64 decodes bit by bit.
func refBase64(s string) ([]byte, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	body := strings.TrimRight(s, "=")
	if pad := len(s) - len(body); pad > 0 && (pad > 2 || len(s)%4 != 0) {
		return nil, false
	}
	if len(body)%4 == 1 {
		return nil, false
	}
	out := []byte{}
	var acc, bits uint
	for i := range len(body) {
		v := strings.IndexByte(alphabet, body[i])
		if v < 0 {
			return nil, false
		}
		acc, bits = acc<<6|uint(v), bits+6
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
		}
	}
	return out, true
}

var refTimeForm = regexp.MustCompile(`^(\d{4}|-\d{4,9}|\+\d{5,9})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d)` +
	`(?::(\d\d)(?:\.(\d{0,9}))?)?(?:[Zz]|([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?)$`)

func refTime(s string) (time.Time, bool) {
	m := refTimeForm.FindStringSubmatch(s)
	if m == nil || m[1][0] == '-' && strings.Trim(m[1], "-0") == "" {
		return time.Time{}, false
	}
	n := make([]int, len(m))
	for i, part := range m {
		if i != 8 {
			n[i], _ = strconv.Atoi(strings.TrimPrefix(part, "+"))
		}
	}
	nanos, _ := strconv.Atoi((m[7] + "000000000")[:9])
	if n[2] < 1 || n[2] > 12 || n[3] < 1 || n[4] > 23 || n[5] > 59 || n[6] > 59 || n[10] > 59 || n[11] > 59 {
		return time.Time{}, false
	}
	if n[3] > time.Date(n[1], time.Month(n[2]+1), 0, 0, 0, 0, 0, time.UTC).Day() {
		return time.Time{}, false
	}
	offset := n[9]*3600 + n[10]*60 + n[11]
	if offset > 18*3600 {
		return time.Time{}, false
	}
	if m[8] == "-" {
		offset = -offset
	}
	t := time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6]-offset, nanos, time.UTC)
	return t, t.Unix() > -9223372036854775 && t.Unix() < 9223372036854775
}

// refSend is what DecodeSend must answer: a code (0 for success) and, but for code 3 without context, the request.
func refSend(frame []byte) (req SendRequest, code Code) {
	object, ok := refParse(frame)
	if !ok {
		return req, CodeDeserialize
	}
	wrong := false
	text := func(v any) (s string, has bool) {
		s, has = refText(v)
		wrong = wrong || !has && v != nil
		return s, has
	}
	integer := func(v any, bits int) (int64, bool) {
		n, has, ok := refInteger(v, bits)
		wrong = wrong || !ok
		return n, has
	}
	last := map[string]any{}
	for _, f := range object {
		// A type that cannot be meant is an error even where the field comes again.
		ok := true
		switch f.name {
		case "payload":
			text(f.value)
		case "context":
			req.Context, req.HasContext = text(f.value)
		case "key":
			req.Key, req.HasKey = text(f.value)
		case "encryptionParam":
			req.EncryptionParam, _ = text(f.value)
		case "compressionType":
			req.CompressionType, _ = text(f.value)
		case "uncompressedMessageSize":
			n, has := integer(f.value, 32)
			req.UncompressedMessageSize, req.HasUncompressedMessageSize = int(n), has
		case "eventTime":
			text(f.value)
		case "deliverAt":
			n, _ := integer(f.value, 64)
			req.DeliverAt = time.Time{}
			if n > 0 {
				req.DeliverAt = time.UnixMilli(n)
			}
		case "deliverAfterMs":
			n, _ := integer(f.value, 64)
			req.DeliverAfter = time.Duration(min(max(n, 0), 9223372036854)) * time.Millisecond
		case "disableReplication":
			req.DisableReplication, ok = refBool(f.value)
		case "properties":
			if f.value != nil {
				var props refObject
				props, ok = f.value.(refObject)
				for _, p := range props {
					text(p.value)
				}
			}
		case "replicationClusters":
			if f.value != nil {
				var clusters refArray
				clusters, ok = f.value.(refArray)
				for _, c := range clusters {
					text(c)
				}
			}
		}
		wrong = wrong || !ok
		last[f.name] = f.value
	}
	if wrong {
		return req, CodeDeserialize
	}
	payload, has := refText(last["payload"])
	if !has {
		return req, CodePayload
	}
	if req.Payload, ok = refBase64(payload); !ok {
		return req, CodePayload
	}
	props, _ := last["properties"].(refObject)
	lastProps := map[string]any{}
	for _, p := range props {
		lastProps[p.name] = p.value
	}
	for name, v := range lastProps {
		s, has := refText(v)
		if !has {
			return req, CodeDeserialize
		}
		if req.Properties == nil {
			req.Properties = map[string]string{}
		}
		req.Properties[name] = s
	}
	clusters, _ := last["replicationClusters"].(refArray)
	for _, c := range clusters {
		s, has := refText(c)
		if !has {
			return req, CodeDeserialize
		}
		req.ReplicationClusters = append(req.ReplicationClusters, s)
	}
	if s, has := refText(last["eventTime"]); has {
		if req.EventTime, ok = refTime(s); !ok {
			return req, CodePayload
		}
	}
	return req, 0
}

// refCommand is what DecodeCommand must answer. fails: the frame itself is refused.
func refCommand(frame []byte) (cmd Command, fault, fails bool) {
	object, ok := refParse(frame)
	if !ok {
		return cmd, false, true
	}
	var idOK, permitOK, authOK, kindFault, ackFault bool
	for _, f := range object {
		s, isText := refText(f.value)
		switch f.name {
		case "type":
			fails = fails || !isText && f.value != nil
			var known bool
			cmd.Kind, known = map[string]CommandKind{"": CommandAck, "ack": CommandAck, "negativeAcknowledge": CommandNack,
				"permit": CommandPermit, "unsubscribe": CommandUnsubscribe, "isEndOfTopic": CommandEndOfTopic,
				"AUTH_RESPONSE": CommandAuthResponse}[s]
			kindFault = !known
		case "ackType":
			ackFault = f.value != nil && (!isText || s != "" && !strings.EqualFold(s, "individual"))
		case "messageId":
			fails = fails || !isText && f.value != nil
			id, err := ParseMessageID([]byte(s))
			cmd.ID, cmd.HasID, idOK = MessageID{}, false, false
			if isText && err == nil {
				cmd.ID, cmd.HasID, idOK = id, true, true
			}
		case "permitMessages":
			n, has, ok := refInteger(f.value, 32)
			fails = fails || !ok
			cmd.Permits, permitOK = int(n), has
		case "authResponse":
			cmd.Auth = AuthResponse{}
			outer, _ := f.value.(refObject)
			for _, f := range outer {
				if inner, ok := f.value.(refObject); ok && f.name == "response" {
					cmd.Auth = AuthResponse{}
					for _, f := range inner {
						if s, ok := refText(f.value); ok && f.name == "authData" {
							cmd.Auth.Data = s
						} else if ok && f.name == "authMethodName" {
							cmd.Auth.Method = s
						}
					}
				}
			}
			authOK = cmd.Auth.Data != ""
		}
	}
	switch cmd.Kind {
	case CommandAck:
		fault = !idOK || kindFault || ackFault
	case CommandNack:
		fault = !idOK
	case CommandPermit:
		fault = !permitOK
	case CommandAuthResponse:
		fault = !authOK
	}
	return cmd, fault, fails
}
