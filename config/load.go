package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pulsegate/pulsegate/filename"
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
// later overrides the earlier. It reports every mistake at once, bad values each as a
// [*ValueError]; the notices are what an operator should know though it is no error.
func Load(path string, environ, sets []string) (*Config, []Notice, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	return parse(path, data, environ, sets)
}

// Show is [Load] and writes what was found as [Config.Write] does, also where there are mistakes.
func Show(w io.Writer, path string, environ, sets []string) ([]Notice, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	c, notices, err := read(path, data, environ, sets)
	return notices, errors.Join(err, c.Write(w))
}

func readFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", filename.Fault(err, path))
	}
	return data, nil
}

// parse is [Load] with the contents of the file.
func parse(path string, data []byte, environ, sets []string) (*Config, []Notice, error) {
	c, notices, err := read(path, data, environ, sets)
	if err != nil {
		return nil, notices, err
	}
	return c, notices, nil
}

// read is [parse], but what it returns with an error tells what was written where.
func read(path string, data []byte, environ, sets []string) (*Config, []Notice, error) {
	fromFile, fileErr := parseProperties(path, data)
	fromEnv, notices := fromEnvironment(environ)
	fromFlags, setsErr := parseSets(sets)
	c, n, err := resolve(fromFile, fromEnv, fromFlags)
	return c, append(notices, n...), errors.Join(fileErr, setsErr, err)
}

// parseSets reads what was set on the command line, also beside mistakes.
func parseSets(sets []string) (entries []entry, err error) {
	var errs []error
	for i, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			errs = append(errs, fmt.Errorf("--set number %d: it must be key=value", i+1))
			continue
		}
		entries = append(entries, entry{name, strings.TrimSpace(value), Source{Flag: true}})
	}
	return entries, errors.Join(errs...)
}

// setting is what one key ended up with.
type setting struct {
	value  string // as written, see [Key.shown]; the default if nothing was
	source Source
	chosen *entry // nil if the key is not mentioned. A pointer, as the value may be secret: nothing prints what it points to
	fault  string // why the value is not valid, "" if it is
}

// resolve makes a configuration of what was written in the file, in the environment
// and on the command line, in this order; the last counts most. With an error the
// configuration is good for [Config.Write] only.
func resolve(written ...[]entry) (*Config, []Notice, error) {
	written, prefix, notices := unprefixed(written)
	layers := make([]map[string]entry, len(written))
	var errs []error
	for i, entries := range written {
		found, n, e := collect(entries, prefix)
		layers[len(layers)-1-i] = found
		notices, errs = append(notices, n...), append(errs, e...)
	}

	c := blank()
	sound := true
	for _, k := range table {
		chosen, written, n := choose(k, layers)
		notices = append(notices, n...)
		if err := c.apply(k, chosen, written); err != nil {
			errs, sound = append(errs, err), false
			continue
		}
		if k.chosen(chosen.value) {
			notices = append(notices, k.remarks(chosen)...)
		}
	}
	if sound {
		n, e := c.finish()
		notices, errs = append(notices, n...), append(errs, e...)
	}
	return c, notices, errors.Join(errs...)
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
	set := setting{value: k.Default, source: chosen.source}
	if written {
		set.chosen = &chosen
	}
	var fault *ValueError
	try := func(e entry, err error) bool {
		if err != nil {
			fault = valueError(k, e, err)
			set.fault = fault.Reason
		}
		return err == nil
	}
	switch {
	case k.Default != "" && !try(entry{k.Name, k.Default, Source{}}, k.kind.set(c, k.Default)):
	case chosen.value != "":
		set.value = k.shown(chosen.value)
		try(chosen, k.kind.set(c, chosen.value))
	case written && k.kind.clear != nil:
		try(chosen, k.kind.clear(c))
	}
	c.settings[k] = set
	if fault != nil {
		return fault
	}
	return nil
}

// collect sorts entries by name, the last of a name winning, and names what is unknown.
// prefix is that of the token keys.
func collect(entries []entry, prefix string) (found map[string]entry, notices []Notice, errs []error) {
	found = make(map[string]entry, len(entries))
	for _, e := range entries {
		k, known := byName[e.name]
		if !known {
			if meant := mistyped(e.name, prefix); meant != "" {
				errs = append(errs, &KeyError{Key: e.name, Source: e.source,
					Reason: "unknown key, much like " + meant + ", on which security depends: correct it or remove it"})
			} else {
				notices = append(notices, unknown(e))
			}
			continue
		}
		if old, twice := found[e.name]; twice && old.value != e.value {
			notices = append(notices, Notice{Kind: Ignored, Key: k.Name, Source: old.source,
				Text: fmt.Sprintf("set again at %s, which counts", e.source)})
		}
		found[e.name] = e
	}
	return found, notices, errs
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
