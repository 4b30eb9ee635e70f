package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

const lineWidth = 96

const fileHead = "Configuration of pulsegate. The format is that of Java properties files, and the keys are those of " +
	"Pulsar's WebSocket proxy: its websocket.conf works here unless it names Java classes. Every key is shown with its default; remove the # to " +
	"change it. Environment variables named like a key, or PULSAR_PREFIX_ and a key, override this file, and pulsegate serve --set key=value overrides both. " +
	"pulsegate config check says what is wrong. On SIGHUP the file is read again: some keys take effect then, the others with the next start."

// WriteDefaults writes a configuration file in which every key is explained and
// commented out with its default.
func WriteDefaults(w io.Writer) error {
	out := bufio.NewWriter(w)
	writeComment(out, fileHead)
	for s := range sectionCount {
		heading, text := s.title()
		fmt.Fprintf(out, "\n### --- %s --- ###\n", heading)
		if text != "" {
			writeComment(out, text)
		}
		for _, k := range table {
			if k.Section == s {
				writeKey(out, k)
			}
		}
	}
	return out.Flush()
}

func writeKey(out *bufio.Writer, k *Key) {
	_ = out.WriteByte('\n') // Flush tells
	writeComment(out, k.Doc)
	if k.kind.ranged {
		writeComment(out, "Accepts "+k.kind.accepts+".")
	}
	if k.Live() {
		writeComment(out, "Takes effect on SIGHUP.")
	}
	if len(k.Aliases) > 0 {
		var names []string
		for _, a := range k.Aliases {
			names = append(names, a.Name)
		}
		writeComment(out, "Other names: "+strings.Join(names, ", ")+".")
	}
	fmt.Fprintf(out, "#%s=%s\n", k.Name, k.Default)
}

// writeComment writes text as comment lines, broken at spaces.
func writeComment(out *bufio.Writer, text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > lineWidth && line != "#" {
			fmt.Fprintln(out, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(out, line)
}

// Write writes every key that has an effect with its value, below a comment that says where
// that was set, see [Source.String]. Secrets are masked.
func (c *Config) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, k := range table {
		switch s := c.settings[k]; {
		case s.fault != "":
			fmt.Fprintf(out, "# %s, not valid: %s\n%s=%s\n", s.source, s.fault, k.Name, escape(s.value))
		case k.Effect == Effective:
			fmt.Fprintf(out, "# %s\n%s=%s\n", s.source, k.Name, escape(s.value))
		}
	}
	return out.Flush()
}

// escape writes a value so that it is read back the same.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`).Replace(s)
}
