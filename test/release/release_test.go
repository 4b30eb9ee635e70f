//go:build release

// Package release builds a release as it is published, and again.
package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = "../.."

// cyclonedx is the program that writes the SBOM, as the Makefile has it.
const envCycloneDX = "CYCLONEDX"

// release builds the release of a version from the source at dir, and returns its files by their names.
func release(t *testing.T, dir, version string, env ...string) (map[string][]byte, error) {
	t.Helper()
	if os.Getenv(envCycloneDX) == "" {
		t.Fatalf("%s names no program: make release-test", envCycloneDX)
	}
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "deploy/release.sh", version, out)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: string(text), Err: err}
	}
	files := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files, nil
}

// elsewhere copies the source to another directory, without what git does not know.
func elsewhere(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = top
	list, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "another", "place")
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(top, name))
		if os.IsNotExist(err) { // removed, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o600)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o700
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestReproducible builds a release twice: here, and from a copy of the source in another
// directory, with other permissions, time zone and language. Both share what Go has compiled.
func TestReproducible(t *testing.T) {
	const version = "0123abc"
	const epoch = "SOURCE_DATE_EPOCH=1700000000"
	here, err := release(t, top, version, epoch)
	if err != nil {
		t.Fatal(err)
	}
	there, err := release(t, elsewhere(t), version, epoch, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "GOAMD64=v3", "GOFLAGS=-race=false")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, arch := range []string{"amd64", "arm64"} {
		name := "-" + version + "-linux-" + arch
		want = append(want, "pulsegate"+name+".tar.gz", "pulsegate"+name+".cdx.json", "pulsegate-bench"+name+".cdx.json")
	}
	want = append(want, "SHA256SUMS", "NOTES.md")
	for _, name := range want {
		if len(here[name]) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	if len(here) != len(want) || len(there) != len(want) {
		t.Errorf("%d and %d files, want %d", len(here), len(there), len(want))
	}
	for name, text := range here {
		if !bytes.Equal(text, there[name]) {
			t.Errorf("%s is different the second time", name)
		}
	}

	checked := 0
	for line := range strings.Lines(string(here["SHA256SUMS"])) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		have := sha256.Sum256(here[name])
		if hex.EncodeToString(have[:]) != sum {
			t.Errorf("the checksum of %s is wrong", name)
		}
		checked++
	}
	if checked != 6 {
		t.Errorf("%d checksums", checked)
	}
	for name, text := range here {
		if !strings.HasSuffix(name, ".cdx.json") {
			continue
		}
		var bom struct {
			Metadata struct {
				Timestamp string
				Component struct{ Version string }
			}
			Components []struct{ Name string }
		}
		if err := json.Unmarshal(text, &bom); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names := []string{}
		for _, c := range bom.Components {
			names = append(names, c.Name)
		}
		if bom.Metadata.Component.Version != version || bom.Metadata.Timestamp != "2023-11-14T22:13:20Z" || !slices.Contains(names, "std") || len(names) < 10 {
			t.Errorf("%s: %+v, %q", name, bom.Metadata, names)
		}
	}

	t.Run("runs", func(t *testing.T) {
		dir := t.TempDir()
		archive := filepath.Join(dir, "a.tar.gz")
		if err := os.WriteFile(archive, here["pulsegate-"+version+"-linux-amd64.tar.gz"], 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("tar", "-C", dir, "--strip-components=1", "-xzf", archive).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := exec.Command(filepath.Join(dir, "pulsegate"), "version").CombinedOutput()
		if err != nil || !strings.Contains(string(out), version) {
			t.Errorf("pulsegate version: %v\n%s", err, out)
		}
		if out, err := exec.Command(filepath.Join(dir, "pulsegate"), "config", "check", "-c", filepath.Join(dir, "websocket.conf"), "--embedded").CombinedOutput(); err != nil {
			t.Errorf("the configuration of the archive: %v\n%s", err, out)
		}
	})
}

// TestVersions tries versions that are none, and one that no one has described.
func TestVersions(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2":       "no semantic version",
		"v01.2.3":    "no semantic version",
		"v1.2.3+x":   "no semantic version",
		"v999.0.0":   "no section 999.0.0",
		"v999.0.0-a": "no section 999.0.0-a",
	} {
		if _, err := release(t, top, version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", version, err, want)
		}
	}
}
