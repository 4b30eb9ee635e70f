package codec

import (
	"bytes"
	"strings"
	"testing"
)

// The verdicts are those of java.util.Base64's basic decoder.
func TestDecodeBase64(t *testing.T) {
	long := strings.Repeat("QUJD", 40)
	good := map[string]string{
		"": "", "aGk=": "hi", "aGk": "hi", "aGkh": "hi!", "aQ==": "i", "aQ": "i", "+/+/": "\xfb\xff\xbf",
		"aGl=": "hi", "aGl": "hi", "aR==": "i", "aR": "i", // bits left over are ignored
		long: strings.Repeat("ABC", 40), long + "QQ": strings.Repeat("ABC", 40) + "A",
		long + "QQ==": strings.Repeat("ABC", 40) + "A",
	}
	for text, want := range good {
		got, ok := decodeBase64([]byte(text))
		if !ok || string(got) != want {
			t.Errorf("decodeBase64(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
	bad := []string{
		"a", "aGkaG", "aGk==", "aGkh=", "aGkh==", "=", "==", "===", "====", "a===", "aa=", "aGk=aGk=", "aG=k",
		"aG-_", "aGk\n", "aG\nk", "aG\r\nk=", "\naGk", "aGk=\n", "aG k", " aGk", "aGk\x00", "aGk\x80",
	}
	for _, b := range []string{"\n", "\r\n", " ", "-", "_", "=", "\x00", "\x80", "\xff"} {
		for at := range len(long) {
			bad = append(bad, long[:at]+b+long[at:])
			if b != "=" {
				bad = append(bad, long[:at]+b+long[min(at+len(b), len(long)):])
			}
		}
		bad = append(bad, long+"Q"+b+"Q", long+"Q"+b)
	}
	for _, text := range bad {
		if got, ok := decodeBase64([]byte(text)); ok {
			t.Errorf("decodeBase64(%q) = %q; want it refused", text, got)
		}
	}
}

func TestBase64FaultNamesTheCharacter(t *testing.T) {
	for text, want := range map[string]string{
		"aG-_":   "illegal base64 character 0x2d at position 2",
		"aGk\n":  "illegal base64 character 0xa at position 3",
		"aG=k":   "illegal base64 character 0x3d at position 2",
		"aGk==":  "wrong padding",
		"aGkaG":  "middle of a byte",
		"a=====": "illegal base64 character 0x3d at position 1",
	} {
		if got := base64Fault([]byte(text)); !strings.Contains(got, want) {
			t.Errorf("base64Fault(%q) = %q; want %q in it", text, got, want)
		}
	}
}

func FuzzBase64(f *testing.F) {
	for _, s := range []string{
		"", "aGk=", "aGk", "aGl=", "a", "==", "aG k", "aG\nk", "aG-_", "aGk=\r\n",
		strings.Repeat("QUJD", 30), strings.Repeat("QUJD", 30) + "\nQUJD", strings.Repeat("/+9z", 20) + "QQ==",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, wantOK := refBase64(string(in))
		got, ok := decodeBase64(in)
		if ok != wantOK || ok && !bytes.Equal(got, want) {
			t.Errorf("decodeBase64(%q) = %q, %v; want %q, %v", in, got, ok, want, wantOK)
		}
		small := make([]byte, len(in))
		n, ok := decodeBase64Small(small, in)
		if ok != wantOK || ok && !bytes.Equal(small[:n], want) {
			t.Errorf("decodeBase64Small(%q) = %q, %v; want %q, %v", in, small[:n], ok, want, wantOK)
		}
		text := appendBase64([]byte("x"), in)
		if back, ok := refBase64(string(text[1:])); !ok || !bytes.Equal(back, in) || text[0] != 'x' || len(text)%4 != 1 {
			t.Errorf("appendBase64(%q) = %q", in, text)
		}
	})
}
