package config

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// kind is what the values of a key look like and where they go.
type kind struct {
	// accepts completes "it must be …".
	accepts string
	// ranged says that accepts holds bounds worth telling before someone breaks them.
	ranged bool
	// path says that a value names a file or a directory: one that looks like a key instead is never printed.
	path bool
	// set checks v, which is trimmed and not empty, and stores it in c.
	set func(c *Config, v string) error
	// clear makes an explicit empty value something else than the default; usually nil.
	clear func(c *Config) error
}

func text(field func(*Config) *string) kind {
	return kind{accepts: "a string", set: func(c *Config, v string) error {
		*field(c) = v
		return nil
	}}
}

// file takes the path of a file or a directory.
func file(field func(*Config) *string) kind {
	k := text(field)
	k.accepts, k.path = "a path", true
	return k
}

func secretText(field func(*Config) *Secret) kind {
	return kind{accepts: "a string", set: func(c *Config, v string) error {
		*field(c) = Secret(v)
		return nil
	}}
}

func boolean(field func(*Config) *bool) kind {
	return kind{accepts: "true or false", set: func(c *Config, v string) error {
		b, err := parseBool(v)
		if err != nil {
			return err
		}
		*field(c) = b
		return nil
	}}
}

// parseBool takes any case, as Java does. Other words, which Java takes for false without a word, are refused.
func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errValue
}

// list takes values separated by commas.
func list(field func(*Config) *[]string) kind {
	return kind{accepts: "values separated by commas", set: func(c *Config, v string) error {
		var values []string
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				values = append(values, s)
			}
		}
		*field(c) = values
		return nil
	}}
}

func choice(field func(*Config) *string, values ...string) kind {
	return kind{accepts: "one of " + strings.Join(values, ", "), set: func(c *Config, v string) error {
		for _, known := range values {
			if strings.EqualFold(v, known) {
				*field(c) = known
				return nil
			}
		}
		return errValue
	}}
}

// whole is a whole number of units from lo to hi, stored multiplied by scale.
func whole[T int | int64 | time.Duration](field func(*Config) *T, unit string, scale T, lo, hi int64) kind {
	return kind{ranged: true, accepts: fmt.Sprintf("a whole number%s from %d to %d", ofUnit(unit), lo, hi), set: func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < lo || n > hi {
			return errValue
		}
		*field(c) = max(0, T(n)) * scale
		return nil
	}}
}

func ofUnit(unit string) string {
	if unit == "" {
		return ""
	}
	return " of " + unit
}

func number(field func(*Config) *int, lo, hi int64) kind { return whole(field, "", 1, lo, hi) }

func size(field func(*Config) *int, lo, hi int64) kind { return whole(field, "bytes", 1, lo, hi) }

// NoPort is the value of a port on which nothing listens.
const NoPort = -1

// blank is a configuration in which nothing is set yet.
func blank() *Config {
	return &Config{settings: make(map[*Key]setting, len(table)), WebServicePortTLS: NoPort, OperatorServicePort: NoPort}
}

func port(field func(*Config) *int) kind {
	k := number(field, 0, math.MaxUint16)
	k.clear = func(c *Config) error {
		*field(c) = NoPort
		return nil
	}
	return k
}

func millis(field func(*Config) *time.Duration, lo, hi int64) kind {
	return whole(field, "milliseconds", time.Millisecond, lo, hi)
}

func seconds(field func(*Config) *time.Duration, lo, hi int64) kind {
	return whole(field, "seconds", time.Second, lo, hi)
}

// anything is the kind of keys whose value is not looked at.
func anything() kind {
	return kind{accepts: "anything", set: func(*Config, string) error { return nil }}
}

// The schemes of a Pulsar service address.
const (
	schemePulsar    = "pulsar"
	schemePulsarTLS = "pulsar+ssl"
	schemeHTTP      = "http"
	schemeHTTPS     = "https"
)

// address takes scheme://host:port,host:port. The Java proxy hands any scheme in
// any of the four keys on to its client; so do we.
func address(field func(*Config) *string, schemes ...string) kind {
	return kind{
		accepts: "scheme://host:port with one of the schemes " + strings.Join(schemes, ", "),
		set: func(c *Config, v string) error {
			scheme, hosts, ok := strings.Cut(v, "://")
			if !ok {
				return errValue
			}
			for _, known := range schemes {
				if scheme == known {
					*field(c) = v
					return checkHosts(hosts)
				}
			}
			return errValue
		},
	}
}

func checkHosts(hosts string) error {
	hosts, _, _ = strings.Cut(hosts, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("pulsar://" + strings.TrimSpace(host))
		if err != nil || u.Hostname() == "" || u.User != nil {
			return errValue
		}
		if port := u.Port(); port != "" {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
				return errValue
			}
		}
	}
	return nil
}
