package auth

import (
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pulsegate/pulsegate/filename"
)

// lookAgain is how long a file is not looked at again.
const lookAgain = time.Second

// watched is a value read from a file, or given once and for all. A file that
// has changed is read again when the value is next asked for, at most once
// in a while. One that cannot be read or understood then leaves the old
// value in force, which is logged: a key that is being replaced must not lock
// everyone out.
//
// It may be used from any goroutine but not on an event loop, as it reads files.
type watched[T any] struct {
	key   string // of the configuration
	path  string // "": the value does not change
	parse func([]byte) (T, error)
	log   *slog.Logger
	pause time.Duration

	mu    sync.Mutex // guards what follows
	value T
	stamp stamp
	next  time.Time
	fault string // what was logged last
}

// stamp tells versions of a file apart.
type stamp struct {
	modified, changed time.Time
	size              int64
	inode             uint64
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, filename.Fault(err, path)
	}
	s := stamp{modified: info.ModTime(), size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.changed = sys.Ino, time.Unix(sys.Ctim.Unix())
	}
	return s, nil
}

// watch reads a value from what a setting says; see [material].
func watch[T any](key, value string, log *slog.Logger, parse func([]byte) (T, error)) (*watched[T], error) {
	data, path, err := material(value)
	if err != nil {
		return nil, &SettingError{key, err}
	}
	w := &watched[T]{key: key, path: path, parse: parse, log: log, pause: lookAgain}
	if path == "" {
		if w.value, err = parse(data); err != nil {
			return nil, &SettingError{key, err}
		}
		return w, nil
	}
	if err := w.read(); err != nil {
		return nil, &SettingError{key, err}
	}
	return w, nil
}

// get returns the value in force.
func (w *watched[T]) get() T {
	if w.path == "" {
		return w.value
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Before(w.next) {
		return w.value
	}
	w.next = now.Add(w.pause)
	s, err := stampOf(w.path)
	if err == nil && s == w.stamp {
		return w.value
	}
	if err == nil {
		err = w.read()
	}
	switch {
	case err == nil:
		w.fault = ""
		w.log.Info("read a changed file", "key", w.key, "path", w.path)
	case err.Error() != w.fault:
		w.fault = err.Error()
		w.log.Warn("a changed file cannot be used; what was read before stays in force", "key", w.key, "path", w.path, "error", err)
	}
	return w.value
}

// read takes the file as it is. The caller holds mu, or has the only reference.
func (w *watched[T]) read() error {
	before, err := stampOf(w.path)
	if err != nil {
		return err
	}
	if before.size > maxMaterial {
		return errTooLarge
	}
	data, err := os.ReadFile(w.path)
	if err != nil {
		return err // it names a file that is there
	}
	// A file that changes under our eyes is read again, as it may be half of one.
	w.stamp = stamp{}
	if after, err := stampOf(w.path); err == nil && after == before {
		w.stamp = after
	}
	value, err := w.parse(data)
	if err != nil {
		return err
	}
	w.value = value
	return nil
}
