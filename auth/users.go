package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/sergeymakinen/go-crypt/des"
	"github.com/tg123/go-htpasswd"
)

// users is a file of names and password hashes, as htpasswd writes them. Of the
// hashes Pulsar knows apr1 and crypt; bcrypt, SHA-2 crypt and salted SHA are
// taken, too. Plain text passwords are not.
type users struct {
	byName map[string]htpasswd.EncodedPasswd
	decoy  htpasswd.EncodedPasswd // checked for a name that does not exist, which so takes as long
}

var hashes = []htpasswd.PasswdParser{
	htpasswd.AcceptMd5, htpasswd.AcceptBcrypt, htpasswd.AcceptCryptSha, htpasswd.AcceptSsha, acceptDES,
}

var errNoHash = errors.New("not a supported password hash: expected apr1, crypt, bcrypt, SHA-256 or SHA-512 crypt, or SSHA")

// parseUsers reads user:hash lines. Errors name the line, and nothing of it.
func parseUsers(data []byte) (*users, error) {
	u := &users{byName: map[string]htpasswd.EncodedPasswd{}}
	for i, line := range strings.Split(string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is not user:hash", i+1)
		}
		p := parseHash(hash)
		if p == nil {
			return nil, fmt.Errorf("line %d: %w", i+1, errNoHash)
		}
		u.byName[name] = p
		if u.decoy == nil {
			u.decoy = p
		}
	}
	if u.decoy == nil {
		return nil, errors.New("it has no users")
	}
	return u, nil
}

func parseHash(hash string) htpasswd.EncodedPasswd {
	for _, accept := range hashes {
		if p, err := accept(hash); err == nil && p != nil {
			return p
		}
	}
	return nil
}

// match reports whether the password is the user's.
func (u *users) match(name, password string) bool {
	if p, ok := u.byName[name]; ok {
		return p.MatchesPassword(password)
	}
	u.decoy.MatchesPassword(password)
	return false
}

// desPassword is a hash of the old crypt(3), 13 characters.
type desPassword string

func acceptDES(hash string) (htpasswd.EncodedPasswd, error) {
	if len(hash) != 13 || strings.ContainsAny(hash, "$:") {
		return nil, nil
	}
	if _, err := des.Salt(hash); err != nil {
		return nil, err
	}
	return desPassword(hash), nil
}

// MatchesPassword implements [htpasswd.EncodedPasswd]. As in crypt(3) eight
// characters of a password count.
func (p desPassword) MatchesPassword(password string) bool {
	return des.Check(string(p), password[:min(len(password), des.MaxPasswordLength)]) == nil
}
