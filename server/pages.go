package server

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/operator/console"
	"github.com/pulsegate/pulsegate/server/http1"
)

// Pages are what operators see: what [Options.Operator] answers, the console, and / which leads
// there. They are served on a door of their own with [Options.PagesApart].
func (s *Server) Pages() http.Handler {
	page := console.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, operator.Prefix):
			s.operate(w, r)
		case strings.HasPrefix(path, console.Path):
			onlyGet(page.ServeHTTP)(w, r)
		case path+"/" == console.Path:
			http.Redirect(w, r, console.Path, http.StatusMovedPermanently)
		case path == "/":
			onlyGet(home)(w, r)
		default:
			http1.WriteReason(w, http.StatusNotFound, "Not Found")
		}
	})
}

// isPage reports that a path, as it came, is one of those of [Server.Pages].
func (s *Server) isPage(path string) bool {
	if s.o.Operator == nil || s.o.PagesApart {
		return false
	}
	return strings.HasPrefix(path, operator.Prefix) || strings.HasPrefix(path+"/", console.Path) || path == "/" && s.o.Broker == nil
}

// welcome says what is here to whoever asks for / without a browser.
const welcome = "pulsegate: Pulsar's WebSocket API is below /ws/, the console at /console/, metrics at /metrics.\n"

// home leads browsers to the console.
func home(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, console.Path, http.StatusFound)
		return
	}
	writeText(w, welcome)
}

// operate lets an operator ask. With a gate that is a super-user, who may do everything. Without
// one everybody may look, as at the statistics, and who is on this machine may do everything.
func (s *Server) operate(w http.ResponseWriter, r *http.Request) {
	if s.o.Gate == nil && !local(r) {
		s.o.Operator.ServeHTTP(w, r)
		return
	}
	s.guard("", func(w http.ResponseWriter, r *http.Request) {
		s.o.Operator.ServeHTTP(w, operator.AllowActions(r))
	})(w, r)
}

// local reports a request from a program on this machine. One that came through a proxy on it, or that a page has
// a browser send under a name of its own for this address, is none.
func local(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, field := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(field) != "" {
			return false
		}
	}
	host := r.Host
	if at, err := netip.ParseAddrPort(host); err == nil {
		return at.Addr().Unmap().IsLoopback()
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.Unmap().IsLoopback()
	}
	name, _, _ := strings.Cut(host, ":")
	return strings.EqualFold(name, "localhost")
}
