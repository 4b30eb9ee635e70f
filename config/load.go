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

// Load reads the file at path ("" for none) and then sets, each key=value, which
// count more than the file. It reports every bad value at once, each as a
// [*ValueError]; the notices are what an operator should know though it is no error.
func Load(path string, sets []string) (*Config, []Notice, error) {
	var data []byte
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return nil, nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	return parse(path, data, sets)
}

// parse is [Load] with the contents of the file.
func parse(path string, data []byte, sets []string) (*Config, []Notice, error) {
	fromFile, err := parseProperties(path, data)
	if err != nil {
		return nil, nil, err
	}
	fromFlags, err := parseSets(sets)
	if err != nil {
		return nil, nil, err
	}
	return resolve(fromFile, fromFlags)
}

// parseSets reads what was set on the command line.
func parseSets(sets []string) (entries []entry, err error) {
	for i, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("--set number %d: it must be key=value", i+1)
		}
		entries = append(entries, entry{name, strings.TrimSpace(value), Source{Flag: true}})
	}
	return entries, nil
}

// setting is what one key ended up with.
type setting struct {
	value  string // as written, masked if secret; the default if nothing was
	source Source
	chosen *entry // nil if the key is not mentioned. A pointer, as the value may be secret: nothing prints what it points to
}

// resolve makes a configuration of what was written in the file and on the command line.
func resolve(fromFile, fromFlags []entry) (*Config, []Notice, error) {
	fromFile, fromFlags, notices := unprefixed(fromFile, fromFlags)
	file, n := collect(fromFile)
	notices = append(notices, n...)
	flags, n := collect(fromFlags)
	notices = append(notices, n...)

	c := &Config{settings: make(map[*Key]setting, len(table)), WebServicePortTLS: NoPort}
	var errs []error
	for _, k := range table {
		chosen, written, n := choose(k, file, flags)
		notices = append(notices, n...)
		if err := c.apply(k, chosen, written); err != nil {
			errs = append(errs, err)
			continue
		}
		if written && chosen.value != "" && k.Effect == WithoutEffect {
			notices = append(notices, Notice{Kind: NoEffect, Key: chosen.name, Source: chosen.source, Text: k.Doc})
		}
	}
	if len(errs) == 0 {
		n, errs = c.finish()
		notices = append(notices, n...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, notices, err
	}
	return c, notices, nil
}

// apply stores the default of k and then what was chosen over it.
func (c *Config) apply(k *Key, chosen entry, written bool) error {
	now := setting{value: k.Default, source: chosen.source}
	if written {
		now.chosen = &chosen
	}
	c.settings[k] = now
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
	now.value = chosen.value
	if k.Secret {
		now.value = masked
	}
	c.settings[k] = now
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

// choose picks the entry of k that counts: the command line before the file, and
// in each the first of its names that has a value. written is false when k
// is not mentioned at all. An empty value on the command line brings the default back.
func choose(k *Key, file, flags map[string]entry) (chosen entry, written bool, notices []Notice) {
	for _, layer := range []map[string]entry{flags, file} {
		for _, a := range k.names() {
			e, ok := layer[a.Name]
			if !ok {
				continue
			}
			if e.value == a.Unset {
				e.value = ""
			}
			switch {
			case !written, chosen.value == "" && e.value != "" && chosen.source.Flag == e.source.Flag:
				chosen, written = e, true
			case e.value != "" && e.value != chosen.value && chosen.source.Flag == e.source.Flag:
				notices = append(notices, Notice{Kind: Ignored, Key: e.name, Source: e.source,
					Text: fmt.Sprintf("%s at %s is the same setting and counts", chosen.name, chosen.source)})
			}
		}
	}
	return chosen, written, notices
}
