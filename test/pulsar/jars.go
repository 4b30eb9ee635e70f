package pulsar

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"

	"github.com/pulsegate/pulsegate/test/installed"
)

// minJava is the oldest Java that this Pulsar runs on.
func minJava() int {
	if atLeast(5, 0) {
		return 21
	}
	return 17
}

//go:embed pom.xml
var pom []byte

// ErrMissingTool says that Java or Maven is not installed, or too old. The error around it names the packages to install.
var ErrMissingTool = errors.New("a tool that a real Pulsar needs is missing")

// Fetch brings Pulsar's jars into the user's cache directory, once for all processes on the machine, and returns the
// directory that holds them. With the jars in place it is two system calls; without them it needs Maven, the network and
// about half a minute.
func Fetch(ctx context.Context) (string, error) {
	home, err := CacheDir()
	if err != nil {
		return "", err
	}
	lib := filepath.Join(home, "lib")
	if err := installed.Once(lib, func(part string) error { return fetchJars(ctx, home, part) }); err != nil {
		return "", fmt.Errorf("fetch Pulsar's jars: %w", err)
	}
	return lib, nil
}

// CacheDir is where Fetch keeps the jars of this Version. It may be removed while nothing runs from it.
func CacheDir() (string, error) {
	cache, err := installed.CacheDir()
	if err != nil {
		return "", err
	}
	version, err := Version()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "pulsar-"+version), nil
}

// fetchJars lets Maven copy the jars into lib.
func fetchJars(ctx context.Context, home, lib string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("%w: Maven (%s)", ErrMissingTool, installHint())
	}
	pomFile := filepath.Join(home, "pom.xml")
	if err := os.WriteFile(pomFile, pom, 0o644); err != nil {
		return err
	}
	version, err := Version()
	if err != nil {
		return err
	}
	return installed.Again(ctx, ".", mvn, "--quiet", "--batch-mode", "--file", pomFile, "-Dpulsar.version="+version,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+lib)
}

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// findJava returns the path of a Java that is new enough.
func findJava(ctx context.Context) (string, error) {
	oldest := minJava()
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	path, err := exec.LookPath(java)
	if err != nil {
		return "", fmt.Errorf("%w: Java %d or newer (%s)", ErrMissingTool, oldest, installHint())
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		// The stub at /usr/bin/java on macOS exits with an error while no Java is installed.
		return "", fmt.Errorf("%w: Java %d or newer; %s does not run: %v (%s)", ErrMissingTool, oldest, path, err, installHint())
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%w: Java %d or newer; %s says %q (%s)", ErrMissingTool, oldest, path, out, installHint())
	}
	if v, err := strconv.Atoi(string(m[1])); err != nil || v < oldest {
		return "", fmt.Errorf("%w: Java %d or newer; %s is Java %s (%s)", ErrMissingTool, oldest, path, m[1], installHint())
	}
	return path, nil
}

// installHint names what to install on this system.
func installHint() string {
	if runtime.GOOS == "darwin" {
		return fmt.Sprintf("install with: brew install openjdk@%d maven", minJava())
	}
	return fmt.Sprintf("on Debian and Ubuntu install with: apt-get install openjdk-%d-jdk-headless maven", minJava())
}
