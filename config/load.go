package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// DefaultPath is the file that is used when none is named and it exists.
const DefaultPath = "conf/websocket.conf"

// Locate returns path, or when it is empty [DefaultPath] if there is such a
// file, else "".
func Locate(path string) string {
	if path != "" {
		return path
	}
	if info, err := os.Stat(DefaultPath); err == nil && !info.IsDir() {
		return DefaultPath
	}
	return ""
}

// Load reads the file at path ("" for none), then what environ, each name=value as
// [os.Environ] has them, says of the configuration, and then sets, each key=value. The
// later counts more. It reports every mistake at once, bad values each as a
// [*ValueError]; the notices are what an operator should know though it is no error.
func Load(path string, environ, sets []string) (*Config, []Notice, error) {
	var data []byte
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return nil, nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	return parse(path, data, environ, sets)
}

// parse is [Load] with the contents of the file.
func parse(path string, data []byte, environ, sets []string) (*Config, []Notice, error) {
	fromFile, err := parseProperties(path, data)
	if err != nil {
		return nil, nil, err
	}
	fromEnv, notices := fromEnvironment(environ)
	var fromFlags []entry
	for i, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, nil, fmt.Errorf("--set number %d: it must be key=value", i+1)
		}
		fromFlags = append(fromFlags, entry{name, strings.TrimSpace(value), Source{Flag: true}})
	}
	c, n, err := resolve(fromFile, fromEnv, fromFlags)
	return c, append(notices, n...), err
}

// setting is what one key ended up with.
type setting struct {
	value  string // as written, masked if secret; the default if nothing was
	source Source
}

// resolve makes a configuration of what was written in the file, in the environment
// and on the command line, in this order; the last counts most.
func resolve(written ...[]entry) (*Config, []Notice, error) {
	written, notices := unprefixed(written)
	layers := make([]map[string]entry, len(written))
	for i, entries := range written {
		var n []Notice
		layers[len(layers)-1-i], n = collect(entries)
		notices = append(notices, n...)
	}

	c := &Config{settings: make(map[*Key]setting, len(table)), WebServicePortTLS: NoPort}
	var errs []error
	for _, k := range table {
		chosen, written, n := choose(k, layers)
		notices = append(notices, n...)
		if err := c.apply(k, chosen, written); err != nil {
			errs = append(errs, err)
			continue
		}
		if k.chosen(chosen.value) {
			notices = append(notices, k.remarks(chosen)...)
		}
	}
	if len(errs) == 0 {
		var n []Notice
		n, errs = c.finish()
		notices = append(notices, n...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, notices, err
	}
	return c, notices, nil
}

// remarks are what to say of e, which someone has chosen for k.
func (k *Key) remarks(e entry) (notices []Notice) {
	if k.Effect == WithoutEffect {
		return []Notice{{Kind: NoEffect, Key: e.name, Source: e.source, Text: k.Doc}}
	}
	for _, a := range k.Aliases {
		if a.Name == e.name && !a.Current {
			notices = append(notices, Notice{Kind: OldName, Key: e.name, Source: e.source, Text: k.Name})
		}
	}
	return notices
}

// apply stores the default of k and then what was chosen over it.
func (c *Config) apply(k *Key, chosen entry, written bool) error {
	c.settings[k] = setting{k.Default, chosen.source}
	if k.Default != "" {
		if err := k.kind.set(c, k.Default); err != nil {
			return valueError(k, entry{k.Name, k.Default, Source{}}, err)
		}
	}
	if chosen.value == "" {
		if written && k.kind.clear != nil {
			if err := k.kind.clear(c); err != nil {
				return valueError(k, chosen, err)
			}
		}
		return nil
	}
	if err := k.kind.set(c, chosen.value); err != nil {
		return valueError(k, chosen, err)
	}
	if k.Secret {
		chosen.value = masked
	}
	c.settings[k] = setting{chosen.value, chosen.source}
	return nil
}

// collect sorts entries by name, the last of a name winning, and names what is unknown.
func collect(entries []entry) (map[string]entry, []Notice) {
	found := make(map[string]entry, len(entries))
	var notices []Notice
	for _, e := range entries {
		k, known := byName[e.name]
		if !known {
			notices = append(notices, unknown(e))
			continue
		}
		if old, twice := found[e.name]; twice && old.value != e.value {
			notices = append(notices, Notice{Kind: Ignored, Key: k.Name, Source: old.source,
				Text: fmt.Sprintf("set again at %s, which counts", e.source)})
		}
		found[e.name] = e
	}
	return found, notices
}

// choose picks the entry of k that counts: in the first layer that mentions it the
// first of its names that has a value. written is false when k is not mentioned at
// all. An empty value in one layer so hides those of the layers below it.
func choose(k *Key, layers []map[string]entry) (chosen entry, written bool, notices []Notice) {
	for _, layer := range layers {
		for _, a := range k.names() {
			e, ok := layer[a.Name]
			if !ok {
				continue
			}
			if e.value == a.Unset {
				e.value = ""
			}
			switch {
			case !written, chosen.value == "" && e.value != "":
				chosen, written = e, true
			case e.value != "" && e.value != chosen.value:
				notices = append(notices, Notice{Kind: Ignored, Key: e.name, Source: e.source,
					Text: fmt.Sprintf("%s at %s is the same setting and counts", chosen.name, chosen.source)})
			}
		}
		if written {
			break
		}
	}
	return chosen, written, notices
}
