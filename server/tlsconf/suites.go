package tlsconf

import (
	"runtime"
	_ "unsafe" // for go:linkname

	"github.com/lesismal/llib/std/crypto/tls"
	"golang.org/x/sys/cpu"
)

// llibHasAESGCM makes llib prefer AES-GCM. Its copy of Go's internal package cpu
// is never told to look at the CPU, so it would believe that no CPU has
// instructions for AES, and choose ChaCha20 wherever the client knows it.
//
//go:linkname llibHasAESGCM github.com/lesismal/llib/std/crypto/tls.hasAESGCMHardwareSupport
var llibHasAESGCM bool

func init() { llibHasAESGCM = FastAES() }

// FastAES reports whether AES-GCM runs on instructions of the CPU; the
// conditions are those of Go's crypto/tls.
func FastAES() bool {
	switch runtime.GOARCH {
	case "amd64":
		return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3
	case "arm64":
		return cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	case "s390x":
		return cpu.S390X.HasAES && cpu.S390X.HasAESGCM
	}
	return false
}

var (
	aesSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	chachaSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}
)

// defaultSuites are those of TLS 1.2 with forward secrecy and authenticated
// encryption, what is fast on this CPU first.
func defaultSuites() []uint16 {
	if FastAES() {
		return append(append([]uint16(nil), aesSuites...), chachaSuites...)
	}
	return append(append([]uint16(nil), chachaSuites...), aesSuites...)
}
