package route

import (
	"net/url"
	"regexp/syntax"
	"strings"
	"testing"
)

// costly are parts of patterns that take long to read when there are many of them.
var costly = []string{
	"a-\U0010ffff", `a-\x{10ffff}`, `\x{61}-\x{10ffff}`, "b-\U0001e943", "!-\u1fff", `\pL`, `\PL`, `\p{Lu}`, `\pC`, `\w`, `\W`, `\D`,
}

// A pattern is read on an event loop: one that takes long is refused, whatever it means.
func TestPatternsThatTakeLongAreRefused(t *testing.T) {
	const room = maxNameBytes - 100
	for _, part := range costly {
		for _, form := range []string{"(?i)[%]", "(?i)[^%]", "(?s-i:(?i:[%]))"} {
			around, end, _ := strings.Cut(form, "%")
			pattern := around + strings.Repeat(part, room/len(part)) + end
			_, err := Parse("/ws/v3/consumer/s", "topicsPattern="+url.QueryEscape(pattern), Options{})
			if err == nil || !strings.Contains(err.Error(), "too large") {
				t.Errorf("%s… in %s: %v", part, form, err)
			}
		}
	}
}

// What clients do ask for is read, with all that belongs to it.
func TestPatternsOfUseAreTaken(t *testing.T) {
	for _, pattern := range []string{
		"orders-.*", "(?i)orders-[a-z0-9_-]+", `(?i)[а-яё]+-\d{1,4}`, `[\p{L}\p{N}_-]+`, `(?i:straße|gasse)-\w+\.\w+`, `[一-龥]+`, `(?i)[一-龥]+`, `[a-\x{10ffff}]+`,
		`(` + strings.Repeat(`orders\.eu-west\.shop-\d+|`, 120) + `x)`,
	} {
		if _, err := Parse("/ws/v3/consumer/s", "topicsPattern="+url.QueryEscape(pattern), Options{}); err != nil {
			t.Errorf("%.60s: %v", pattern, err)
		}
	}
}

// BenchmarkPattern is the time that the worst patterns take that are not refused.
func BenchmarkPattern(b *testing.B) {
	for _, part := range append(costly, "а-я", "[:word:]", "[:^word:]", "a", "[^a]", "a|", "a?", "(a|b)", `\pL|`, "[^a]|", `\.`) {
		for _, form := range []string{"(?i)[%]", "(?i)%b"} {
			around, end, _ := strings.Cut(form, "%")
			n := 0
			for n < (maxNameBytes-len(form))/len(part) && patternWork(around+strings.Repeat(part, n+1)+end) <= maxPatternWork {
				n++
			}
			pattern := around + strings.Repeat(part, n) + end
			b.Run(strings.ReplaceAll(form, "%", part), func(b *testing.B) {
				for b.Loop() {
					_, _ = syntax.Parse(pattern, syntax.Perl)
				}
			})
		}
	}
}
