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
	"syscall"
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
	if isDir(lib) {
		return lib, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", fmt.Errorf("make a place for Pulsar's jars: %w", err)
	}
	unlock, err := lockFile(filepath.Join(home, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(lib) { // another process fetched them while this one waited
		return lib, nil
	}
	return lib, fetchJars(ctx, home, lib)
}

// CacheDir is where Fetch keeps the jars of this Version. It may be removed while nothing runs from it.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for Pulsar's jars: %w", err)
	}
	version, err := Version()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "pulsegate", "pulsar-"+version), nil
}

// fetchJars lets Maven copy the jars into a directory beside lib and renames that once it is complete, so that a
// download cut short is never taken for a whole one.
func fetchJars(ctx context.Context, home, lib string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("%w: Maven, which fetches Pulsar's jars (%s)", ErrMissingTool, installHint())
	}
	pomFile := filepath.Join(home, "pom.xml")
	if err := os.WriteFile(pomFile, pom, 0o644); err != nil {
		return fmt.Errorf("fetch Pulsar's jars: %w", err)
	}
	part := lib + ".part"
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("fetch Pulsar's jars: %w", err)
	}
	version, err := Version()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "--quiet", "--batch-mode", "--file", pomFile, "-Dpulsar.version="+version,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+part)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch Pulsar's jars with Maven: %w\n%s", err, out)
	}
	if err := os.Rename(part, lib); err != nil {
		return fmt.Errorf("fetch Pulsar's jars: %w", err)
	}
	return nil
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

// lockFile takes an exclusive lock that ends with the process at the latest, and blocks until it has it.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
