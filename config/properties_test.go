package config

import "testing"

// The expected values are what java.util.Properties makes of the same text,
// but for white space at the end of a value.
func TestJavaProperties(t *testing.T) {
	for _, tc := range []struct{ text, name, value string }{
		{"a=1", "a", "1"},
		{"a : 2", "a", "2"},
		{"a 3", "a", "3"},
		{"\t a = 4 ", "a", "4"},
		{"a", "a", ""},
		{"a=", "a", ""},
		{"# c\n! d\n\na=5", "a", "5"},
		{"# no continuation \\\na=6", "a", "6"},
		{"a=1\na=7", "a", "7"},
		{"a=one,\\\n   two,\\\n\tthree", "a", "one,two,three"},
		{"a=one,\\\r\n   two", "a", "one,two"},
		{"x=1\ra=8\r", "a", "8"},
		{"a=x\\\n#y", "a", "x#y"},
		{"a=x\\\n", "a", "x"},
		{"a=x\\", "a", "x"},
		{`a=c:\\temp\\`, "a", `c:\temp\`},
		{"a=back\\\\\\\n  more", "a", `back\more`},
		{`a=\u0041\t\u00e9`, "a", "A\té"},
		{`a\ b\:c=x=y:z`, "a b:c", "x=y:z"},
		{`a=\=x`, "a", "=x"},
		{"a==x", "a", "=x"},
		{"a=#x", "a", "#x"},
		{`a=\q`, "a", "q"},
		{"a=${HOME} $HOME", "a", "${HOME} $HOME"},
		{"a=caf\xe9", "a", "café"},
		{"a=café", "a", "café"},
		{"\xef\xbb\xbfa=9", "a", "9"},
	} {
		entries, err := parseProperties("t.conf", []byte(tc.text))
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		last := entries[len(entries)-1]
		if last.name != tc.name || last.value != tc.value {
			t.Errorf("%q: got %q=%q, want %q=%q", tc.text, last.name, last.value, tc.name, tc.value)
		}
	}
}

func TestLineNumbers(t *testing.T) {
	entries, err := parseProperties("t.conf", []byte("# c\r\na=1\r\n\r\nb=x,\\\r\n  y\r\nc=3"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "t.conf:2", "b": "t.conf:4", "c": "t.conf:6"}
	for _, e := range entries {
		if got := e.source.String(); got != want[e.name] {
			t.Errorf("%s is at %s, want %s", e.name, got, want[e.name])
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d entries, want %d", len(entries), len(want))
	}
}

func TestBadLine(t *testing.T) {
	_, err := parseProperties("t.conf", []byte("a=1\nb=\\u12"))
	wantError(t, err, "t.conf:2")
}
