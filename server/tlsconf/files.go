package tlsconf

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/pulsegate/pulsegate/keystore"
)

// contents of some files, nil for those that are not configured.
type contents [][]byte

// sum tells contents apart; a file's length is part of it.
func (c contents) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, b := range c {
		_ = binary.Write(h, binary.BigEndian, uint64(len(b)))
		h.Write(b)
	}
	h.Sum(sum[:0])
	return sum
}

// fileReader reads files until one fails.
type fileReader struct{ err error }

func (r *fileReader) read(files ...keystore.Store) contents {
	all := make(contents, len(files))
	for i, file := range files {
		if file.File != "" && r.err == nil {
			all[i], r.err = file.Read()
		}
	}
	return all
}
