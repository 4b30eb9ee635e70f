package codec

import "strconv"

// replyEnd closes every reply. Both numbers are always 0; the Java proxy sends them, so clients may read them.
const replyEnd = `,"errorCode":0,"schemaVersion":0}`

// AppendSendOK appends the reply to a message that was published.
func AppendSendOK(dst []byte, id MessageID, context string, hasContext bool) []byte {
	dst = append(dst, `{"result":"ok","messageId":"`...)
	dst = id.AppendText(dst)
	dst = append(dst, '"')
	if hasContext {
		dst = AppendContext(dst, context)
	}
	return append(dst, replyEnd...)
}

// AppendSendError appends the reply to a message that was not published. The client reads the code's text and
// the detail.
func AppendSendError(dst []byte, code Code, detail string, context string, hasContext bool) []byte {
	dst = append(dst, `{"result":"send-error:`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `","errorMsg":"`...)
	dst = append(dst, code.Text()...)
	if detail != "" {
		dst = append(dst, ": "...)
		dst = appendEscaped(dst, detail)
	}
	dst = append(dst, '"')
	if hasContext {
		dst = AppendContext(dst, context)
	}
	return append(dst, replyEnd...)
}

// AppendContext appends the field that carries a session's or request's context, its comma in front. Put between
// a pushed message and its closing brace it makes one encoded frame serve sessions with different contexts.
func AppendContext(dst []byte, context string) []byte {
	dst = append(dst, `,"context":`...)
	return appendString(dst, context)
}
