//go:build packages

package packages

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
)

// place replaces a text that has to be there once.
func place(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is there %d times", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}

// startNginx runs nginx with the example in front of two addresses, with a certificate of ca, and returns where it listens.
func startNginx(t *testing.T, ca *tlstest.CA, one, two string) (addr string) {
	t.Helper()
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	addr = "localhost:" + strconv.Itoa(ports[0])
	cert := ca.Issue("nginx", "ecdsa")
	example := readFile(t, filepath.Join(top(t), "deploy/nginx/pulsegate.conf"))
	example = place(t, example, "server 127.0.0.1:8081 ", "server "+one+" ")
	example = place(t, example, "server 127.0.0.1:8082 ", "server "+two+" ")
	example = place(t, example, "listen 443 ssl;", "listen 127.0.0.1:"+strconv.Itoa(ports[0])+" ssl;")
	example = place(t, example, "/etc/nginx/pulsegate.pem", cert.CertFile)
	example = place(t, example, "/etc/nginx/pulsegate.key", cert.KeyFile)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "conf.d/pulsegate.conf"), example)
	conf := filepath.Join(dir, "nginx.conf")
	writeFile(t, conf, fmt.Sprintf(`user root;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	include %[1]s/conf.d/*.conf;
}
`, dir))
	output(t, "nginx", "-t", "-c", conf)

	cmd := exec.Command("nginx", "-c", conf, "-g", "daemon off; master_process off;")
	cmd.Stderr = os.Stderr
	wait, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = wait()
	})
	for end := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatalf("nginx does not listen: %v", err)
		}
	}
}

// Sessions go through nginx with TLS, with the topic as the client wrote it, and past an address where nobody listens.
func TestNginx(t *testing.T) {
	ca := tlstest.New(t)
	g := gateway.Start(t, gateway.Options{Embedded: true})
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	addr := startNginx(t, ca, strings.TrimPrefix(g.URL(), "ws://"), "127.0.0.1:"+strconv.Itoa(ports[0]))
	dialer := websocket.Dialer{TLSClientConfig: ca.Client(), HandshakeTimeout: patience}
	dial := func(url string) *websocket.Conn {
		t.Helper()
		c, resp, err := dialer.Dial(url, nil)
		if err != nil {
			t.Fatalf("%s: %v (%v)", url, err, resp)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(patience))
		return c
	}
	const topic = "/persistent/public/default/a%2Fb%20c"
	for try := range 4 { // nginx begins with either address
		consumer := dial(g.URL() + "/ws/v2/consumer" + topic + "/s" + strconv.Itoa(try))
		producer := dial("wss://" + addr + "/ws/v2/producer" + topic)
		if err := producer.WriteJSON(map[string]string{"payload": "aGk="}); err != nil {
			t.Fatal(err)
		}
		for what, c := range map[string]*websocket.Conn{"answer": producer, "message": consumer} {
			var got map[string]any
			if err := c.ReadJSON(&got); err != nil || got["messageId"] == nil {
				t.Fatalf("%s: %v %v", what, got, err)
			}
		}
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: ca.Client(), DisableKeepAlives: true}}
	for path, want := range map[string]int{"/admin/v2/proxy-stats/metrics": 200, "/metrics": 404} {
		resp, err := client.Get("https://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
