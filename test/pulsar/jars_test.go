package pulsar

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOldestJava has a Java 17 on the path, which Pulsar 4 runs on and Pulsar 5 does not.
func TestOldestJava(t *testing.T) {
	home := t.TempDir()
	java := filepath.Join(home, "bin", "java")
	if err := os.Mkdir(filepath.Dir(java), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JAVA_HOME", home)
	says := func(version string) {
		script := "#!/bin/sh\necho 'openjdk version \"" + version + "\" 2024-01-16' >&2\n"
		if err := os.WriteFile(java, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		pulsar, java string
		missing      string // what the error says, "" for none
	}{
		{"", "17.0.10", ""},
		{"", "11.0.22", "Java 17 or newer"},
		{"2.10.5", "1.8.0_392", "Java 17 or newer"},
		{"4.2.4", "17.0.10", ""},
		{"5.0.1", "17.0.10", "Java 21 or newer"},
		{"5.0.1", "21.0.2", ""},
		{"10.0.0", "25.0.3", ""},
	} {
		t.Setenv(EnvVersion, test.pulsar)
		says(test.java)
		path, err := findJava(t.Context())
		if test.missing == "" {
			if err != nil || path != java {
				t.Errorf("Pulsar %q on Java %s: %q, %v", test.pulsar, test.java, path, err)
			}
			continue
		}
		if !errors.Is(err, ErrMissingTool) || !strings.Contains(err.Error(), test.missing) || !strings.Contains(err.Error(), "is Java ") {
			t.Errorf("Pulsar %q on Java %s: %v, want %q", test.pulsar, test.java, err, test.missing)
		}
	}
}
