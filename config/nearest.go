package config

import "strings"

// Nearest returns the one of known that name is most likely a slip of, "" if none
// is close.
func Nearest(name string, known []string) string {
	best, least := "", 1+len(name)/4
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k), least); d < least {
			best, least = k, d
		}
	}
	return best
}
