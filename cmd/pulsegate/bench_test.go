package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// envMain makes the test binary behave as pulsegate.
const envMain = "PULSEGATE_TEST_MAIN"

// installed puts pulsegate into a directory of its own and returns what runs it.
func installed(t *testing.T) (dir string, pulsegate func(args ...string) (code int, output string)) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	path := filepath.Join(dir, "pulsegate")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, func(args ...string) (int, string) {
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), envMain+"=1")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
}

// loadGenerator writes a program that tells its name and what it is given.
func loadGenerator(t *testing.T, dir, name string) {
	t.Helper()
	script := "#!/bin/sh\necho \"" + name + " $*\"\nexit 3\n"
	if err := os.WriteFile(filepath.Join(dir, benchProgram), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}

// The load generator gets the arguments as they are, and its exit code is the
// command's. The one beside the program goes first.
func TestBenchRunsLoadGenerator(t *testing.T) {
	dir, pulsegate := installed(t)
	onPath := t.TempDir()
	t.Setenv("PATH", onPath+":/usr/bin:/bin")
	args := []string{"bench", "publish", "ws://h:1", "--rate", "5", "--help"}

	loadGenerator(t, onPath, "path")
	if code, out := pulsegate(args...); code != 3 || out != "path publish ws://h:1 --rate 5 --help\n" {
		t.Errorf("on the PATH: exit code %d, %s", code, out)
	}
	loadGenerator(t, dir, "beside")
	if code, out := pulsegate(args...); code != 3 || out != "beside publish ws://h:1 --rate 5 --help\n" {
		t.Errorf("beside: exit code %d, %s", code, out)
	}
}

func TestBenchWithoutLoadGenerator(t *testing.T) {
	t.Setenv("PATH", "")
	code, _, stderr := command(t, "bench", "publish")
	if code != exitRuntime || !strings.Contains(stderr, "neither in ") || !strings.Contains(stderr, "make build") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// What only the load generator needs stays out of the server's binary.
func TestServerHoldsNoLoadGenerator(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if strings.HasPrefix(dep, "gonum.org/") || strings.HasPrefix(dep, "github.com/pulsegate/pulsegate/bench") {
			t.Errorf("the server imports %s", strings.TrimSpace(dep))
		}
	}
}
