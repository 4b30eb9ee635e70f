package installed

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestOnce makes a directory in several goroutines at the same time after an attempt that was cut short.
func TestOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home", "packages")
	cut := errors.New("cut short")
	if err := Once(dir, func(part string) error {
		return errors.Join(os.Mkdir(part, 0o755), os.WriteFile(filepath.Join(part, "half"), nil, 0o600), cut)
	}); !errors.Is(err, cut) {
		t.Errorf("what was cut short: %v", err)
	}
	var made int // by whoever has the lock
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := Once(dir, func(part string) error {
				made++
				return errors.Join(os.Mkdir(part, 0o755), os.WriteFile(filepath.Join(part, "whole"), nil, 0o600))
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	files, err := os.ReadDir(dir)
	if err != nil || made != 1 || len(files) != 1 || files[0].Name() != "whole" {
		t.Errorf("made %d times, with %v, %v", made, files, err)
	}
}

// TestAgain runs a program that ends well the nth time.
func TestAgain(t *testing.T) {
	for n, wrong := range map[string]bool{"1": false, "3": false, "4": true} {
		ran := filepath.Join(t.TempDir(), "ran")
		err := again(t.Context(), make([]time.Duration, 2), ".", "sh", "-c", `echo >>"$0"; [ $(wc -l <"$0") -ge "$1" ]`, ran, n)
		if (err != nil) != wrong {
			t.Errorf("ends well the time %s: %v", n, err)
		}
	}
}
