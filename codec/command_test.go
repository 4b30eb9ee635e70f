package codec

import (
	"errors"
	"strings"
	"testing"
)

func TestDecodeCommand(t *testing.T) {
	id := MessageID{LedgerID: 5, Partition: -1, BatchIndex: -1}
	for frame, want := range map[string]Command{
		`{"messageId":"CAUQADAA"}`:                                         {Kind: CommandAck, ID: id, HasID: true},
		`{"messageId":"CAUQADAA","type":"ack"}`:                            {Kind: CommandAck, ID: id, HasID: true},
		`{"type":null,"messageId":"CAUQADAA"}`:                             {Kind: CommandAck, ID: id, HasID: true},
		`{"type":"","messageId":"CAUQADAA"}`:                               {Kind: CommandAck, ID: id, HasID: true},
		`{"type":"foo","type":"ack","messageId":"CAUQADAA"}`:               {Kind: CommandAck, ID: id, HasID: true},
		`{"ackType":"individual","messageId":"CAUQADAA"}`:                  {Kind: CommandAck, ID: id, HasID: true},
		`{"ackType":"Individual","messageId":"CAUQADAA"}`:                  {Kind: CommandAck, ID: id, HasID: true},
		`{"ackType":null,"messageId":"CAUQADAA"}`:                          {Kind: CommandAck, ID: id, HasID: true},
		`{"ackType":"","messageId":"CAUQADAA"}`:                            {Kind: CommandAck, ID: id, HasID: true},
		`{"type":"permit","ackType":"x","permitMessages":1}`:               {Kind: CommandPermit, Permits: 1},
		`{"Type":"unsubscribe","messageId":"CAUQADAA","x":[{"y":{}}]} x`:   {Kind: CommandAck, ID: id, HasID: true},
		`{"type":"isEndOfTopic","type":"ack","messageId":"CAUQ\u0041DAA"}`: {Kind: CommandAck, ID: id, HasID: true},
		`{"messageId":"!!","messageId":"CAUQADAA"}`:                        {Kind: CommandAck, ID: id, HasID: true},
		`{"type":"negativeAcknowledge","messageId":"CAUQADAA"}`:            {Kind: CommandNack, ID: id, HasID: true},
		`{"type":"permit","permitMessages":100}`:                           {Kind: CommandPermit, Permits: 100},
		`{"type":"permit","permitMessages":"5"}`:                           {Kind: CommandPermit, Permits: 5},
		`{"type":"permit","permitMessages":1.5}`:                           {Kind: CommandPermit, Permits: 1},
		`{"type":"permit","permitMessages":-5}`:                            {Kind: CommandPermit, Permits: -5},
		`{"type":"permit","permitMessages":0}`:                             {Kind: CommandPermit},
		`{"type":"unsubscribe"}`:                                           {Kind: CommandUnsubscribe},
		`{"type":"isEndOfTopic","messageId":"!!"}`:                         {Kind: CommandEndOfTopic},
		`{"type":"AUTH_RESPONSE","authResponse":{"clientVersion":"v0","protocolVersion":0,"response":{"authMethodName":"token","authData":"jwt"}}}`: {
			Kind: CommandAuthResponse, Auth: AuthResponse{Method: "token", Data: "jwt"}},
		`{"authResponse":5,"messageId":"CAUQADAA"}`: {Kind: CommandAck, ID: id, HasID: true},
	} {
		if got, err := DecodeCommand([]byte(frame)); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", frame, got, err, want)
		}
	}
}

// A command that lacks what it needs says so; whether that matters is for the session to say.
func TestDecodeCommandWithFault(t *testing.T) {
	for frame, want := range map[string]struct {
		kind   CommandKind
		detail string
	}{
		`{}`:                                    {CommandAck, "messageId is missing"},
		`{"messageId":null}`:                    {CommandAck, "messageId is missing"},
		`{"messageId":""}`:                      {CommandAck, "messageId: not a message id: it is empty"},
		`{"messageId":"!!"}`:                    {CommandAck, "illegal base64 character 0x21"},
		`{"messageId":5}`:                       {CommandAck, "messageId: not a message id"},
		`{"messageId":"CAU="}`:                  {CommandAck, "no ledger or entry id"},
		`{"type":"foo","messageId":"CAUQADAA"}`: {CommandAck, `type "foo" is not a command`},
		`{"type":5,"messageId":"CAUQADAA"}`:     {CommandAck, `type "5" is not a command`},
		`{"type":" ","messageId":"CAUQADAA"}`:   {CommandAck, `type " " is not a command`},
		`{"type":"negativeacknowledge","messageId":"CAUQADAA"}`: {CommandAck, `type "negativeacknowledge" is not a command`},
		`{"type":"ack","type":"nack","messageId":"CAUQADAA"}`:   {CommandAck, `type "nack" is not a command`},
		`{"type":"foo"}`: {CommandAck, `type "foo" is not a command`},
		`{"type":"ack","ackType":"cumulative","messageId":"CAUQADAA"}`:           {CommandAck, `ackType "cumulative" is not supported`},
		`{"ackType":"Cumulative","messageId":"CAUQADAA"}`:                        {CommandAck, `ackType "Cumulative" is not supported`},
		`{"ackType":1,"messageId":"CAUQADAA"}`:                                   {CommandAck, `ackType "1" is not supported`},
		`{"ackType":{"x":[]},"messageId":"CAUQADAA"}`:                            {CommandAck, `ackType is an object`},
		`{"type":"negativeAcknowledge"}`:                                         {CommandNack, "messageId is missing"},
		`{"type":"permit"}`:                                                      {CommandPermit, "permitMessages is missing"},
		`{"type":"permit","permitMessages":null}`:                                {CommandPermit, "permitMessages is missing"},
		`{"type":"permit","permitMessages":" "}`:                                 {CommandPermit, "permitMessages is missing"},
		`{"type":"AUTH_RESPONSE"}`:                                               {CommandAuthResponse, "authResponse is missing"},
		`{"type":"AUTH_RESPONSE","authResponse":5}`:                              {CommandAuthResponse, "authResponse is a number"},
		`{"type":"AUTH_RESPONSE","authResponse":{"a":[],"response":[]}}`:         {CommandAuthResponse, "authData is missing"},
		`{"type":"AUTH_RESPONSE","authResponse":{"response":{"authData":null}}}`: {CommandAuthResponse, "authData is missing"},
	} {
		got, err := DecodeCommand([]byte(frame))
		var e *Error
		if err != nil || got.Kind != want.kind || !errors.As(got.Err, &e) || e.Code != CodeDeserialize || !strings.Contains(e.Detail, want.detail) {
			t.Errorf("%s: %+v, %v; want a fault %q", frame, got, err, want.detail)
		}
	}
}

func TestDecodeCommandRefuses(t *testing.T) {
	for frame, want := range map[string]string{
		``: "a JSON object", `null`: "a JSON object", `[]`: "a JSON object", `5`: "a JSON object", `"x"`: "a JSON object", `x`: "a JSON object",
		`{"messageId":"CAUQADAA"`: "ends early", `{"messageId":"CAUQADAA",}`: "field name", `{"messageId":{}}`: "messageId is an object",
		`{"messageId":[]}`: "messageId is an array", `{"type":{}}`: "type is an object", `{"type":[]}`: "type is an array",
		`{"type":"permit","permitMessages":"x"}`: `permitMessages is "x"`, `{"type":"permit","permitMessages":true}`: "permitMessages is a boolean",
		`{"permitMessages":[]}`: "permitMessages is an array", `{"permitMessages":99999999999}`: "permitMessages is",
		`{"authResponse":{"response":{"authData":"x"}`: "ends early", `{"authResponse":{"response":{"authData":[}}}}`: "value",
		`{"authResponse":{"response":[}}}`: "value", "{\"type\":\"\xff\"}": "UTF-8",
		`{"authResponse":{"response":{"x":` + strings.Repeat("[", 1000): "nesting",
	} {
		got, err := DecodeCommand([]byte(frame))
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeDeserialize || !strings.Contains(e.Detail, want) || got != (Command{}) {
			t.Errorf("%.80s: %+v, %v; want it refused with %q", frame, got, err, want)
		}
	}
}

func TestDecodeAuthResponse(t *testing.T) {
	got, ok := DecodeAuthResponse([]byte(`{"type":"AUTH_RESPONSE","authResponse":{"response":{"authMethodName":"token","authData":"jwt"}}}`))
	if !ok || got != (AuthResponse{Method: "token", Data: "jwt"}) {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, frame := range []string{``, `{"context":"1"}`, `{"type":"AUTH_RESPONSE"}`, `{"authResponse":{"response":{"authData":"jwt"}}}`} {
		if got, ok := DecodeAuthResponse([]byte(frame)); ok {
			t.Errorf("%s: %+v", frame, got)
		}
	}
}

func TestDecodeCommandAllocations(t *testing.T) {
	ack := []byte(`{"type":"ack","messageId":"CBAQACABMAM="}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = DecodeCommand(ack) }); n != 0 {
		t.Errorf("%v allocations for an ack", n)
	}
}

func FuzzDecodeCommand(f *testing.F) {
	for _, s := range []string{
		`{"messageId":"CAUQADAA"}`, `{"type":"negativeAcknowledge","messageId":"CBAQACABMAM="}`, `{"type":"permit","permitMessages":100}`,
		`{"type":"permit","permitMessages":"1"}`, `{"type":"unsubscribe"}`, `{"type":"isEndOfTopic"}`, `{}`, `[]`, `null`, `{"messageId":{}}`,
		`{"type":"AUTH_RESPONSE","authResponse":{"clientVersion":"v0","protocolVersion":0,"response":{"authMethodName":"token","authData":"jwt"}}}`,
		`{"authResponse":{"response":{"authData":[]},"response":{}},"type":5,"messageId":null}`,
		`{"type":"negativeAcknowledged","ackType":"individual","messageId":"CAUQADAA"}`, `{"ackType":["cumulative"],"type":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := DecodeCommand(frame)
		want, fault, fails := refCommand(frame)
		if (err != nil) != fails {
			t.Fatalf("%q: %v; want refused %v", frame, err, fails)
		}
		if fails {
			return
		}
		if (got.Err != nil) != fault {
			t.Fatalf("%q: fault %v; want one %v", frame, got.Err, fault)
		}
		got.Err = nil
		if got != want {
			t.Fatalf("%q:\n got %+v\nwant %+v", frame, got, want)
		}
	})
}
