package config

import (
	"slices"
	"strings"
)

// envPrefix is what the containers of Pulsar take for "a key of the configuration":
// PULSAR_PREFIX_clusterName sets clusterName.
const envPrefix = "PULSAR_PREFIX_"

// javaVariables are read by Pulsar's own start scripts and say nothing to this server.
var javaVariables = map[string]string{
	"PULSAR_MEM":              javaMemory,
	"PULSAR_GC":               javaMemory,
	"PULSAR_GC_LOG":           javaMemory,
	"PULSAR_EXTRA_OPTS":       "Options of the JVM. There is none here.",
	"PULSAR_EXTRA_CLASSPATH":  "Java classes. There is no JVM here.",
	"PULSAR_LOG_CONF":         javaLog,
	"PULSAR_LOG_LEVEL":        javaLog,
	"PULSAR_LOG_ROOT_LEVEL":   javaLog,
	"PULSAR_LOG_APPENDER":     javaLog,
	"PULSAR_ROUTING_APPENDER": javaLog,
}

const (
	javaMemory = "Memory of the JVM. There is none here: memoryLimitInMB bounds what messages take, GOMEMLIMIT and GOGC are Go's own."
	javaLog    = "Logging of the JVM. Here logLevel and logFormat say what is logged and how."
)

// fromEnvironment takes what environ, each name=value, says of the configuration:
//
//   - PULSAR_PREFIX_key=value, whatever the key;
//   - key=value where the table has exactly that key, or it is another name of one. Other
//     variables are nobody's mistake.
//
// Where both are there the former comes last, and so counts, as in Pulsar's containers.
func fromEnvironment(environ []string) ([]entry, []Notice) {
	var plain, prefixed []entry
	var notices []Notice
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		e := entry{name, strings.TrimSpace(value), Source{Env: name}}
		if key, ok := strings.CutPrefix(name, envPrefix); ok {
			if key == "" {
				notices = append(notices, Notice{Kind: Ignored, Key: name, Source: e.source, Text: "no key is named behind the prefix"})
				continue
			}
			e.name = key
			prefixed = append(prefixed, e)
		} else if byName[name] != nil {
			plain = append(plain, e)
		} else if reason := javaVariables[name]; reason != "" {
			notices = append(notices, Notice{Kind: NoEffect, Key: name, Source: e.source, Text: reason})
		}
	}
	entries := append(plain, prefixed...)
	slices.SortStableFunc(notices, func(a, b Notice) int { return strings.Compare(a.Key, b.Key) })
	return entries, notices
}

// IsVariable tells whether [Load] looks at the variable called name. Tests leave these out.
func IsVariable(name string) bool {
	return strings.HasPrefix(name, envPrefix) || byName[name] != nil || javaVariables[name] != ""
}

// FromEnvironment are the keys whose values the environment has set, in the order of the table.
func (c *Config) FromEnvironment() []string {
	var names []string
	for _, k := range table {
		if c.settings[k].source.Env != "" {
			names = append(names, k.Name)
		}
	}
	return names
}
