package codec

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// CommandKind is what a consumer's or reader's client wants.
type CommandKind int

// The commands. A frame without a type is an acknowledgement.
const (
	CommandAck          CommandKind = iota // messageId was handled; to a reader: one message's place is free
	CommandNack                            // redeliver messageId later
	CommandPermit                          // pull mode: push Permits more messages
	CommandUnsubscribe                     // delete the subscription
	CommandEndOfTopic                      // tell whether a terminated topic was read to its end
	CommandAuthResponse                    // new credentials, in Auth (PIP-292)
)

// Command is one decoded frame of a consumer's or reader's client.
type Command struct {
	Kind CommandKind

	// ID is the message acknowledged or to be redelivered, valid if HasID.
	ID    MessageID
	HasID bool
	// Permits is how many more messages may be pushed, valid without Err. It may be 0 or negative.
	Permits int
	// Auth is valid for CommandAuthResponse without Err.
	Auth AuthResponse

	// Err is an [*Error] that says why the command cannot be carried out: a type that is not a command, which leaves
	// Kind as CommandAck, an ack of a kind that is not supported, an ack or nack with a missing or malformed id, a
	// permit without a number, a response without credentials. A consumer's session is closed for it: taken for an
	// ack, what its client meant otherwise would be lost. A reader ignores it in an ack, as any frame of its client
	// only frees a place.
	Err error
}

// commandNames are the values of a frame's type.
var commandNames = map[string]CommandKind{
	"ack":                 CommandAck,
	"negativeAcknowledge": CommandNack,
	"permit":              CommandPermit,
	"unsubscribe":         CommandUnsubscribe,
	"isEndOfTopic":        CommandEndOfTopic,
	authResponseType:      CommandAuthResponse,
}

// commandDecoder is one call of DecodeCommand. The faults hold what is wrong with a field that some commands need.
type commandDecoder struct {
	scanner
	cmd Command

	typeFault   string // some field is of a type that cannot be meant: no command at all
	kindFault   string // the type names no command
	ackFault    string // the ackType is not the one there is
	idFault     string
	permitFault string
	authFault   string
}

// DecodeCommand reads a frame of a consumer's or reader's client. The error is an [*Error] with
// [CodeDeserialize], for a frame that is no JSON object or has a field of the wrong type. What else keeps a
// command from being carried out is in [Command.Err].
func DecodeCommand(frame []byte) (Command, error) {
	d := commandDecoder{
		scanner:     scanner{data: frame},
		idFault:     "messageId is missing",
		permitFault: "permitMessages is missing",
		authFault:   "authResponse is missing",
	}
	if !d.object() || !d.fields() {
		return Command{}, d.syntaxError()
	}
	if d.typeFault != "" {
		return Command{}, &Error{CodeDeserialize, d.typeFault}
	}
	if fault := d.missing(); fault != "" {
		d.cmd.Err = &Error{CodeDeserialize, fault}
	}
	return d.cmd, nil
}

// missing says what keeps the command from being carried out, "" if nothing does.
func (d *commandDecoder) missing() string {
	switch d.cmd.Kind {
	case CommandAck:
		return cmp.Or(d.kindFault, d.ackFault, d.idFault)
	case CommandNack:
		return d.idFault
	case CommandPermit:
		return d.permitFault
	case CommandAuthResponse:
		return d.authFault
	}
	return ""
}

// fields reads the object's fields. It reports false after a syntax error only.
func (d *commandDecoder) fields() bool {
	var v value
	for first := true; ; first = false {
		name, more := d.field(first)
		if !more {
			return d.fault == ""
		}
		if !d.value(&v) {
			return false
		}
		switch string(name) {
		case "type":
			d.kind(&v)
		case "ackType":
			d.ackType(&v)
		case "messageId":
			d.messageID(&v)
		case "permitMessages":
			d.permits(&v)
		case "authResponse":
			if v.kind == kindObject {
				d.authFault = d.cmd.Auth.decode(&d.scanner)
				continue
			}
			d.cmd.Auth, d.authFault = AuthResponse{}, "authResponse is "+v.kind.String()+"; expected an object"
		}
		if !d.skip(&v, 2) {
			return false
		}
	}
}

// wrongType notes that a field's value cannot be used. The first such note is the one reported.
func (d *commandDecoder) wrongType(fault string) {
	if d.typeFault == "" {
		d.typeFault = fault
	}
}

// kind reads the type. An empty one is as if it were not there: clients in languages without null send it.
func (d *commandDecoder) kind(v *value) {
	d.cmd.Kind, d.kindFault = CommandAck, ""
	if !v.isText() {
		if v.kind != kindNull {
			d.wrongType("type is " + v.kind.String() + "; expected a string")
		}
		return
	}
	name, known := v.bytes(), false
	if d.cmd.Kind, known = commandNames[string(name)]; !known && len(name) > 0 {
		d.kindFault = "type " + quote(name) + " is not a command"
	}
}

// ackType reads how far an acknowledgement reaches: it is for one message only.
func (d *commandDecoder) ackType(v *value) {
	d.ackFault = ""
	switch {
	case v.kind == kindNull:
	case !v.isText():
		d.ackFault = "ackType is " + v.kind.String() + "; expected a string"
	case len(v.raw) > 0 && !strings.EqualFold(string(v.bytes()), "individual"):
		d.ackFault = "ackType " + quote(v.bytes()) + " is not supported; expected individual"
	}
}

func (d *commandDecoder) messageID(v *value) {
	d.cmd.ID, d.cmd.HasID, d.idFault = MessageID{}, false, "messageId is missing"
	switch {
	case v.isText():
		id, err := ParseMessageID(v.bytes())
		if err != nil {
			d.idFault = "messageId: " + err.Error()
			return
		}
		d.cmd.ID, d.cmd.HasID, d.idFault = id, true, ""
	case v.kind != kindNull:
		d.wrongType("messageId is " + v.kind.String() + "; expected a string")
	}
}

func (d *commandDecoder) permits(v *value) {
	d.permitFault = ""
	n, has, fault := parseInteger(v, math.MinInt32, math.MaxInt32)
	d.cmd.Permits = int(n)
	switch {
	case fault != "":
		d.wrongType("permitMessages " + fault)
	case !has:
		d.permitFault = "permitMessages is missing"
	}
}

// AppendEndOfTopic appends the answer to [CommandEndOfTopic].
func AppendEndOfTopic(dst []byte, reached bool) []byte {
	dst = append(dst, `{"endOfTopic":`...)
	dst = strconv.AppendBool(dst, reached)
	return append(dst, '}')
}
