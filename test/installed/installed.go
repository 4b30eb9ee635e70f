// Package installed brings what programs of other languages need from their registries, once on a machine, so that a
// registry which does not answer for a moment fails no test.
package installed

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Python returns a Python that has the packages which a file of requirements names. They are installed as its users install
// them: into a virtual environment, by pip.
func Python(ctx context.Context, requirements string) (python string, err error) {
	text, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	// Packages are installed for one release of Python.
	release, err := run(ctx, ".", "python3", "-c", "import sys; print(sys.executable, sys.version)")
	if err != nil {
		return "", err
	}
	home, err := home("python", text, release)
	if err != nil {
		return "", err
	}
	venv := filepath.Join(home, "venv")
	err = Once(venv, func(part string) error {
		if _, err := run(ctx, ".", "python3", "-m", "venv", part); err != nil {
			return err
		}
		// Ten are two minutes, as each waits twice as long as the one before.
		_, err := run(ctx, ".", filepath.Join(part, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "10",
			"--requirement", requirements)
		return err
	})
	// A Python finds what is beside it wherever it is put, so it may have been installed as a part.
	return filepath.Join(venv, "bin", "python"), err
}

// Node returns a directory node_modules with the packages that the package.json and the package-lock.json in dir name.
func Node(ctx context.Context, dir string) (modules string, err error) {
	names := []string{"package.json", "package-lock.json"}
	texts := make([][]byte, len(names))
	for i, name := range names {
		if texts[i], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	home, err := home("node", texts...)
	if err != nil {
		return "", err
	}
	packages := filepath.Join(home, "packages")
	err = Once(packages, func(part string) error {
		if err := os.Mkdir(part, 0o755); err != nil {
			return err
		}
		for i, name := range names {
			if err := os.WriteFile(filepath.Join(part, name), texts[i], 0o644); err != nil {
				return err
			}
		}
		return NPM(ctx, part)
	})
	return filepath.Join(packages, "node_modules"), err
}

// NPM installs the packages of dir in dir, and asks for none that it has in its cache.
func NPM(ctx context.Context, dir string) error {
	// Six are a minute, as each waits twice as long as the one before.
	_, err := run(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline",
		"--fetch-retries", "6", "--fetch-retry-factor", "2", "--fetch-retry-mintimeout", "1000")
	return err
}

// Again runs a program that has no retries of its own, and fails where the network does: as often as three times. What it has
// brought before it failed it should keep.
func Again(ctx context.Context, dir, name string, args ...string) error {
	return again(ctx, []time.Duration{5 * time.Second, 20 * time.Second}, dir, name, args...)
}

func again(ctx context.Context, pauses []time.Duration, dir, name string, args ...string) error {
	_, err := run(ctx, dir, name, args...)
	for _, pause := range pauses {
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		_, err = run(ctx, dir, name, args...)
	}
	return err
}

// home is the place of what the texts describe.
func home(kind string, texts ...[]byte) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(sum, "%d\n%s", len(text), text)
	}
	return filepath.Join(cache, fmt.Sprintf("%s-%.8x", kind, sum.Sum(nil))), nil
}

// run runs a program in dir, and returns what it prints.
func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return out, nil
}
