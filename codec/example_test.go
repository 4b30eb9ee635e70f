package codec_test

import (
	"errors"
	"fmt"

	"github.com/pulsegate/pulsegate/codec"
)

// A producer's frame and the two replies it may get.
func ExampleDecodeSend() {
	reply := func(frame string) {
		var req codec.SendRequest
		err := codec.DecodeSend([]byte(frame), &req)
		var fault *codec.Error
		if errors.As(err, &fault) {
			fmt.Printf("%s\n", codec.AppendSendError(nil, fault.Code, fault.Detail, req.Context, req.HasContext))
			return
		}
		id := codec.MessageID{LedgerID: 5, EntryID: 0, Partition: -1, BatchIndex: -1}
		fmt.Printf("%s\n", codec.AppendSendOK(nil, id, req.Context, req.HasContext))
	}
	reply(`{"payload":"SGVsbG8gV29ybGQ=","properties":{"key1":"value1"},"context":5}`)
	reply(`{"payload":"SGVsbG8 V29ybGQ=","context":6}`)
	reply(`{"payload":"SGVsbG8gV29ybGQ=","properties":{"key1":null},"context":7}`)
	// Output:
	// {"result":"ok","messageId":"CAUQADAA","context":"5","errorCode":0,"schemaVersion":0}
	// {"result":"send-error:7","errorMsg":"Invalid payload encoding: payload: illegal base64 character 0x20 at position 7","context":"6","errorCode":0,"schemaVersion":0}
	// {"result":"send-error:3","errorMsg":"Failed to de-serialize from JSON: properties: the value of \"key1\" is null","context":"7","errorCode":0,"schemaVersion":0}
}
