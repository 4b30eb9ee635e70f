//go:build packages

package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/port"
)

// imageConfig is what the test looks at of an image's configuration.
type imageConfig struct {
	User        string
	Entrypoint  []string
	Cmd         []string
	Healthcheck struct{ Test []string }
	StopSignal  string
}

// buildStage does what the Dockerfile's first stage does, on this machine: no registry may be reachable. It runs the
// Dockerfile's own command.
func buildStage(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	const prefix = "RUN CGO_ENABLED=0 go build "
	var command string
	for line := range strings.Lines(readFile(t, filepath.Join(top(t), "Dockerfile"))) {
		if strings.HasPrefix(line, prefix) {
			command = strings.TrimPrefix(line, "RUN ")
		}
	}
	if command == "" {
		t.Fatalf("the Dockerfile has no line that begins with %q", prefix)
	}
	output(t, "env", "VERSION=v1.2.3", "sh", "-c", strings.ReplaceAll(command, "/out/", dir+"/out/"))
	copyFile(t, "/etc/ssl/certs/ca-certificates.crt", filepath.Join(dir, "etc/ssl/certs/ca-certificates.crt"), 0o644)
	return dir
}

// buildah runs it with a store of its own. The images have no commands to run, so it needs no more rights than to write files.
func buildah(t *testing.T, store string, args ...string) string {
	t.Helper()
	return output(t, "buildah", append([]string{
		"--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run"), "--storage-driver", "vfs",
	}, args...)...)
}

func TestImage(t *testing.T) {
	stage, store := buildStage(t), t.TempDir()
	const name = "pulsegate:test"
	buildah(t, store, "build", "--isolation", "chroot", "--format", "docker", "--pull-never", "--quiet",
		"--build-context", "build="+stage, "-t", name, ".")

	var image struct{ Docker struct{ Config imageConfig } }
	if err := json.Unmarshal([]byte(buildah(t, store, "inspect", "--type", "image", name)), &image); err != nil {
		t.Fatal(err)
	}
	c := image.Docker.Config
	uid, gid, ok := strings.Cut(c.User, ":")
	user, err := strconv.ParseUint(uid, 10, 32)
	group, gerr := strconv.ParseUint(gid, 10, 32)
	if !ok || err != nil || gerr != nil || user == 0 || group == 0 {
		t.Fatalf("user %q", c.User)
	}
	if len(c.Healthcheck.Test) < 2 || c.Healthcheck.Test[0] != "CMD" || c.StopSignal != "SIGTERM" || !slices.Equal(c.Cmd, []string{"serve"}) {
		t.Fatalf("%+v", c)
	}

	container := strings.TrimSpace(buildah(t, store, "from", "--pull-never", name))
	root := strings.TrimSpace(buildah(t, store, "mount", container))
	t.Cleanup(func() { buildah(t, store, "rm", container) })
	checkFiles(t, root)

	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	// A container's configuration is put where the image looks for it.
	writeFile(t, filepath.Join(root, "conf/websocket.conf"), "webServicePort="+strconv.Itoa(ports[0])+"\nbindAddress=127.0.0.1\n")
	inside := func(command ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir, cmd.Env = "/", []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(group)}}
		return cmd
	}
	if out, err := inside(append(slices.Clone(c.Entrypoint), "version")...).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "pulsegate v1.2.3\n") {
		t.Errorf("version: %v %s", err, out)
	}
	health := func() ([]byte, error) { return inside(c.Healthcheck.Test[1:]...).CombinedOutput() }
	if out, err := health(); err == nil {
		t.Errorf("healthy before it runs: %s", out)
	}
	server := inside(append(append(slices.Clone(c.Entrypoint), c.Cmd...), "--embedded")...)
	server.Stderr = os.Stderr
	wait, err := child.Start(server)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- wait() }()
	for end := time.Now().Add(patience); ; {
		out, err := health()
		if err == nil {
			break
		}
		select {
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("not healthy: %v %s", err, out)
		}
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// checkFiles looks at what is in the image: the program, which needs nothing else, and the authorities.
func checkFiles(t *testing.T, root string) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(files, []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/pulsegate"}) {
		t.Errorf("the image holds %v", files)
	}
	if out := output(t, "file", filepath.Join(root, "usr/bin/pulsegate")); !strings.Contains(out, "statically linked") {
		t.Error(out)
	}
}
