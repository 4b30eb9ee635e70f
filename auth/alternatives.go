package auth

import (
	"context"
	"errors"
)

// alternatives are providers of one method, such as two kinds of tokens. A client that
// one of them knows is known.
type alternatives []provider

func (a alternatives) method() string { return a[0].method() }

func (a alternatives) presented(r *Request) bool {
	for _, p := range a {
		if p.presented(r) {
			return true
		}
	}
	return false
}

// authenticate asks them in their order. When all refuse, the refusal is that of who came
// closest: credentials are forged only if none of them could tell otherwise.
func (a alternatives) authenticate(ctx context.Context, r *Request) (Principal, error) {
	var closest error
	for _, p := range a {
		who, err := p.authenticate(ctx, r)
		if err == nil {
			return who, nil
		}
		if closest == nil || weight(err) > weight(closest) {
			closest = err
		}
	}
	return Principal{}, closest
}

// weight orders refusals: of what cannot be found out now goes before that of credentials
// that were right once, and that before that of forged ones.
func weight(err error) int {
	no := (*Refusal)(nil)
	switch {
	case !errors.As(err, &no):
		return 3
	case no.Kind == ErrUnknown:
		return 2
	case !no.forged:
		return 1
	}
	return 0
}
