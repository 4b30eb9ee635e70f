package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Chdir(t.TempDir())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "no brokers", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	at := []string{"health", "--set", "webServicePort=" + port}
	if code, stdout, stderr := command(t, at...); code != exitOK || stdout+stderr != "" {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := command(t, append(at, "--ready")...); code != exitRuntime || !strings.Contains(stderr, "503 Service Unavailable: no brokers") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	s.Close()
	if code, _, stderr := command(t, at...); code != exitRuntime || !strings.Contains(stderr, "connection refused") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, _, stderr := command(t, "health", "--set", "webServicePort=x"); code != exitUsage || !strings.Contains(stderr, "webServicePort=x") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
