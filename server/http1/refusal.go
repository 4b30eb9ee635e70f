package http1

// Refusal is an answer that says no.
type Refusal struct {
	Status int
	Reason string // for the client
	Header string // one more header line
	Limit  string // key of the limit that is reached, for the log; "" for none
	Why    string // a word for the metrics where there is no limit; "": the status says it
}

// Because gives the refusal a word for the metrics.
func (r *Refusal) Because(why string) *Refusal {
	r.Why = why
	return r
}

// Refused is a refusal that needs no more than a status and a reason.
func Refused(status int, reason string) *Refusal { return &Refusal{Status: status, Reason: reason} }

// OverLimit is a refusal for a limit, by its key.
func OverLimit(key string, status int, reason string) *Refusal {
	return &Refusal{Status: status, Reason: reason, Limit: key}
}
