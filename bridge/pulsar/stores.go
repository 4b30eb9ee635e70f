package pulsar

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/keystore"
)

// storeLook is how often key and trust stores are looked at for newer ones.
const storeLook = time.Second

// stores are the key store and the trust store that connections to the brokers use.
// Connections are made from files in PEM only, which are read anew for each:
// so what a store holds is put into such a file, which is in memory alone, and put
// there again when the store has changed. They belong to the goroutine in watch once it
// runs; before and after, to whoever opened them.
type stores []*storeFile

type storeFile struct {
	store keystore.Store
	toPEM func(b []byte, password string) ([]byte, error)
	file  memoryFile
	seen  os.FileInfo // of the store when it was last read well
	fault string      // what was logged last
}

// openStores reads the stores that t names, and makes t name the files in their place.
func openStores(t *TLS) (s stores, err error) {
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if t.TrustStore.File != "" {
		f, err := openStore(t.TrustStore, trustToPEM)
		if err != nil {
			return s, err
		}
		s, t.TrustCertsFile = append(s, f), f.file.path()
	}
	if t.KeyStore.File != "" {
		f, err := openStore(t.KeyStore, identityToPEM)
		if err != nil {
			return s, err
		}
		s, t.CertificateFile, t.KeyFile = append(s, f), f.file.path(), f.file.path()
	}
	return s, nil
}

func openStore(store keystore.Store, toPEM func([]byte, string) ([]byte, error)) (*storeFile, error) {
	f := &storeFile{store: store, toPEM: toPEM}
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	if f.file, err = newMemoryFile(text); err != nil {
		return nil, fmt.Errorf("%s: a file in memory: %w", store.Setting, err)
	}
	return f, nil
}

// read returns what the store holds now, in PEM.
func (f *storeFile) read() ([]byte, error) {
	info, err := os.Stat(f.store.File) // before it is read: what is written meanwhile will be read again
	if err != nil {
		info = nil
	}
	b, err := f.store.Read()
	if err != nil {
		return nil, err
	}
	text, err := f.toPEM(b, f.store.Password)
	if err != nil {
		return nil, f.store.Fault(err)
	}
	f.seen = info
	return text, nil
}

// renew looks at the store again. One that cannot be read leaves what was read before.
func (f *storeFile) renew(log *slog.Logger) {
	info, err := os.Stat(f.store.File)
	if err == nil && f.seen != nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() && info.ModTime().Equal(f.seen.ModTime()) {
		return
	}
	text, err := f.read()
	if err == nil {
		if err = f.file.replace(text); err != nil {
			f.seen = nil // so that it is tried again
		}
	}
	switch {
	case err == nil:
		f.fault = ""
		log.Info("read a changed store", "key", f.store.Setting, "path", f.store.File)
	case err.Error() != f.fault:
		f.fault = err.Error()
		log.Warn("a changed store cannot be used; what was read before stays in use", "error", err)
	}
}

// watch renews the stores until ctx ends.
func (s stores) watch(ctx context.Context, log *slog.Logger) {
	if len(s) == 0 {
		return
	}
	look := time.NewTicker(storeLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			for _, f := range s {
				f.renew(log)
			}
		}
	}
}

func (s stores) close() {
	for _, f := range s {
		f.file.close()
	}
}

func trustToPEM(b []byte, password string) ([]byte, error) {
	certs, err := keystore.ReadTrust(b, password)
	if err != nil {
		return nil, err
	}
	return certificatesToPEM(certs), nil
}

func identityToPEM(b []byte, password string) ([]byte, error) {
	own, err := keystore.ReadIdentity(b, password)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Key)
	if err != nil {
		return nil, err
	}
	return append(certificatesToPEM(own.Chain), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...), nil
}

func certificatesToPEM(certs []*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, cert := range certs {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // a buffer takes all
	}
	return text.Bytes()
}

// memoryFile is the descriptor of a file that is in no directory: this process reads it
// by a path of its own, others cannot.
type memoryFile int

func newMemoryFile(content []byte) (memoryFile, error) {
	fd, err := unix.MemfdCreate("store", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		if err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
		content = content[n:]
	}
	return memoryFile(fd), nil
}

func (f memoryFile) path() string { return fmt.Sprintf("/proc/self/fd/%d", int(f)) }

// replace changes the content at once: whoever opens the path gets the old or the new.
func (f memoryFile) replace(content []byte) error {
	next, err := newMemoryFile(content)
	if err != nil {
		return err
	}
	defer next.close()
	return unix.Dup3(int(next), int(f), unix.O_CLOEXEC)
}

func (f memoryFile) close() { _ = unix.Close(int(f)) }
