package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// v2 makes a header of version 2.
func v2(command, family byte, addresses string) string {
	b := append([]byte(signature), 0x20|command, family<<4|1)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(addresses)))) + addresses
}

func TestParse(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::1").AsSlice()
	for name, tc := range map[string]struct {
		header, from string // from "": none is told
	}{
		"version 1":                {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n", "192.0.2.7:4711"},
		"version 1, IPv6":          {"PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n", "[2001:db8::1]:4711"},
		"version 1, unknown":       {"PROXY UNKNOWN whatever\r\n", ""},
		"version 2":                {v2(1, 1, "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x00\x50"), "192.0.2.7:4711"},
		"version 2, IPv6":          {v2(1, 2, string(six)+string(six)+"\x12\x67\x00\x50"), "[2001:db8::1]:4711"},
		"version 2, of the proxy":  {v2(0, 1, "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x00\x50"), ""},
		"version 2, unix sockets":  {v2(1, 3, strings.Repeat("x", 216)), ""},
		"version 2, short address": {v2(1, 1, "\xc0\x00\x02"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			for n := range len(tc.header) {
				if _, length, ok := Parse([]byte(tc.header[:n])); length != 0 || !ok {
					t.Fatalf("of %d bytes a header of %d is read, ok %v", n, length, ok)
				}
			}
			from, n, ok := Parse([]byte(tc.header + "GET / HTTP/1.1\r\n"))
			if n != len(tc.header) || !ok {
				t.Fatalf("read %d bytes of %d, ok %v", n, len(tc.header), ok)
			}
			if tc.from == "" && from.IsValid() || tc.from != "" && from != netip.MustParseAddrPort(tc.from) {
				t.Fatalf("from %v, want %q", from, tc.from)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, header := range map[string]string{
		"a request":               "GET / HTTP/1.1\r\n",
		"nothing":                 "\r\nPROXY",
		"another family":          "PROXY UDP4 192.0.2.7 198.51.100.1 4711 80\r\n",
		"too few words":           "PROXY TCP4 192.0.2.7 4711\r\n",
		"no address":              "PROXY TCP4 nobody 198.51.100.1 4711 80\r\n",
		"too long a line":         "PROXY UNKNOWN " + strings.Repeat("x", maxV1) + "\r\n",
		"a line without end":      "PROXY UNKNOWN " + strings.Repeat("x", maxV1),
		"version 3":               signature + "\x31\x11\x00\x0c",
		"version 2 that is large": signature + "\x21\x11\xff\xff",
	} {
		if _, n, ok := Parse([]byte(header)); ok {
			t.Errorf("%s is taken for a header of %d bytes", name, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n"))
	f.Add([]byte(v2(1, 1, "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x00\x50")))
	f.Fuzz(func(t *testing.T, b []byte) {
		from, n, ok := Parse(b)
		if n < 0 || n > len(b) || n > maxV2 || !ok && from.IsValid() {
			t.Fatalf("from %v, %d bytes of %d, ok %v", from, n, len(b), ok)
		}
		if ok && n > 0 { // what follows changes nothing
			if from2, n2, ok2 := Parse(append(b[:n:n], 'x')); from2 != from || n2 != n || !ok2 {
				t.Fatalf("with more behind it: %v, %d, %v", from2, n2, ok2)
			}
		}
	})
}
