package codec

// The types of the frames with which credentials are renewed during a session (PIP-292).
const (
	authChallengeType = "AUTH_CHALLENGE"
	authResponseType  = "AUTH_RESPONSE"
)

// AuthResponse holds renewed credentials. It must not be logged.
type AuthResponse struct {
	Method string // authentication method, "token"
	Data   string // the credentials themselves
}

// AppendAuthChallenge appends the frame that asks a client for a new token.
func AppendAuthChallenge(dst []byte) []byte {
	return append(dst, `{"type":"`+authChallengeType+
		`","authChallenge":{"challenge":{"authMethodName":"token","authData":"token"},"protocolVersion":0}}`...)
}

// DecodeAuthResponse looks for renewed credentials in a frame of a producer's client that [DecodeSend] refused
// for its missing payload. It reports false for any frame that is not an AUTH_RESPONSE with credentials.
func DecodeAuthResponse(frame []byte) (AuthResponse, bool) {
	cmd, err := DecodeCommand(frame)
	if err != nil || cmd.Kind != CommandAuthResponse || cmd.Err != nil {
		return AuthResponse{}, false
	}
	return cmd.Auth, true
}

// decode reads an authResponse object, just opened, and says what is wrong with it. After a syntax error the
// scanner's own fault counts.
func (r *AuthResponse) decode(s *scanner) (fault string) {
	*r = AuthResponse{}
	for first := true; ; first = false {
		name, more := s.field(first)
		if !more {
			break
		}
		isResponse := string(name) == "response"
		var v value
		if !s.value(&v) {
			break
		}
		if isResponse && v.kind == kindObject {
			r.decodeFields(s)
			continue
		}
		if !s.skip(&v, 3) {
			break
		}
	}
	if r.Data == "" {
		return "authResponse: response.authData is missing"
	}
	return ""
}

// decodeFields reads the authResponse's inner object.
func (r *AuthResponse) decodeFields(s *scanner) {
	*r = AuthResponse{}
	for first := true; ; first = false {
		name, more := s.field(first)
		if !more {
			return
		}
		var v value
		if !s.value(&v) {
			return
		}
		switch {
		case string(name) == "authMethodName" && v.isText():
			r.Method = v.text()
		case string(name) == "authData" && v.isText():
			r.Data = v.text()
		}
		if !s.skip(&v, 4) {
			return
		}
	}
}
