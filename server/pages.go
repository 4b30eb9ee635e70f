package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/operator/console"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/topic"
)

// Pages are what operators see: what [Options.Operator] answers, the console, and / which leads
// there, for a door of their own, see [Options.PagesApart].
func (s *Server) Pages() http.Handler { return s.pages(true) }

// pages are the same for the door that is meant.
func (s *Server) pages(apart bool) http.Handler {
	page := console.Handler(apart)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, operator.Prefix):
			s.operate(w, r, apart)
		case strings.HasPrefix(path, console.Path):
			onlyGet(page.ServeHTTP)(w, r)
		case path+"/" == console.Path:
			http.Redirect(w, r, console.Path, http.StatusMovedPermanently)
		case path == "/":
			onlyGet(s.home(apart))(w, r)
		default:
			http1.WriteReason(w, http.StatusNotFound, "Not Found")
		}
	})
}

// isPage reports that a path, as it came, is one of the pages on the clients' door.
func (s *Server) isPage(path string) bool {
	if path == "/" {
		return s.o.Broker == nil
	}
	return s.pagesHere() && (strings.HasPrefix(path, operator.Prefix) || strings.HasPrefix(path+"/", console.Path))
}

// pagesHere reports that the console, and what it shows, is on the clients' door.
func (s *Server) pagesHere() bool { return s.o.Operator != nil && !s.o.PagesApart }

// home leads browsers to the console if it is on this door, and says what is here to all others.
func (s *Server) home(apart bool) http.HandlerFunc {
	leads := apart || s.pagesHere()
	welcome := "pulsegate: Pulsar's WebSocket API is below /ws/, metrics are at " + s.metricsPath() + ".\n"
	switch {
	case apart:
		welcome = "pulsegate: the console is at " + console.Path + ", what it shows below " + operator.Prefix + ".\n"
	case leads:
		welcome = "pulsegate: Pulsar's WebSocket API is below /ws/, the console at " + console.Path + ", metrics at " + s.metricsPath() + ".\n"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if leads && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, console.Path, http.StatusFound)
			return
		}
		writeText(w, welcome)
	}
}

// operate lets an operator ask. With a gate that is a super-user. Without one it is whoever reaches the
// door that is for operators alone; at the clients' door programs on this machine may look.
func (s *Server) operate(w http.ResponseWriter, r *http.Request, apart bool) {
	switch {
	case s.o.Gate != nil:
		if role, ok := s.letPass(w, r, topic.Name{}); ok {
			s.o.Operator.ServeHTTP(w, operator.AllowActions(r, operator.Actor{Role: role, Address: s.remoteOfRequest(r)}))
		}
	case apart && hostOfOurs(r.Host):
		s.o.Operator.ServeHTTP(w, operator.AllowActions(r, operator.Actor{Address: s.remoteOfRequest(r)}))
	case apart:
		http1.WriteReason(w, http.StatusForbidden, "use an IP address, localhost or a host name without dots: under any other name, another site's page could make a browser ask")
	case s.isLocal(r):
		s.o.Operator.ServeHTTP(w, r)
	default:
		http1.WriteReason(w, http.StatusForbidden, "while clients do not log in, only programs on the gateway's own machine may ask here; others ask at operatorServicePort")
	}
}

// isLocal reports a request from a program on this machine, as far as that can be told: none of which the
// address is somebody's word, or that a proxy of HTTP has passed on. It is no proof, since a
// proxy of TCP leaves no trace.
func (s *Server) isLocal(r *http.Request) bool {
	if s.o.ProxyProtocol || s.o.TrustForwardedFor || !r.ProtoAtLeast(1, 1) || !hostOfOurs(r.Host) {
		return false
	}
	for name := range r.Header {
		switch {
		case strings.HasPrefix(name, "X-Forwarded-"), name == "X-Real-Ip", name == "Forwarded", name == "Via":
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	to, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && remoteOf(to).Addr() == peer.Addr().Unmap()
}

// hostOfOurs reports that a request's Host is not a name that somebody elsewhere may have
// given this machine's address, so that a page of theirs has a browser ask here.
func hostOfOurs(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	_, err = netip.ParseAddr(name)
	return err == nil || name != "" && !strings.Contains(name, ".")
}
