//go:build packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const confFile = "/etc/pulsegate/websocket.conf"

// The versions that are installed one after the other, and the line that the second one's configuration file has at its end.
const (
	oldVersion = "1.2.3"
	newVersion = "1.2.4"
	newDefault = "# new in this version"
)

// built holds both kinds of package in both versions.
type built struct{ dir string }

// buildPackages runs make dist.
func buildPackages(t *testing.T) built {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "websocket.conf")
	writeFile(t, conf, readFile(t, filepath.Join(top(t), "conf/websocket.conf"))+newDefault+"\n")
	changed := filepath.Join(dir, "nfpm.yaml")
	writeFile(t, changed, strings.Replace(readFile(t, filepath.Join(top(t), "deploy/packages/nfpm.yaml")), "src: conf/websocket.conf", "src: "+conf, 1))
	output(t, "make", "dist", "DIST="+dir, "PACKAGE_VERSION="+oldVersion)
	output(t, "make", "dist", "DIST="+dir, "PACKAGE_VERSION="+newVersion, "NFPM_CONFIG="+changed)
	return built{dir}
}

// find returns the one file of a version and kind, seen from a machine.
func (b built) find(m *machine, version, ending string) string {
	m.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.dir, "pulsegate?"+version+"*"+ending))
	if err != nil || len(found) != 1 {
		m.t.Fatalf("%s %s: %v %v", version, ending, found, err)
	}
	copyFile(m.t, found[0], m.path("/tmp/packages/"+filepath.Base(found[0])), 0o644)
	return "/tmp/packages/" + filepath.Base(found[0])
}

// manager is a distribution's tool.
type manager struct {
	ending          string
	install, remove []string
	// kept is where an operator's configuration file is after the removal.
	kept string
	// clean removes all, nil if remove does already.
	clean []string
}

var managers = map[string]manager{
	"deb": {
		ending: ".deb", install: []string{"dpkg", "--force-confold", "-i"},
		remove: []string{"dpkg", "-r", "pulsegate"}, kept: confFile, clean: []string{"dpkg", "-P", "pulsegate"},
	},
	// Its database is its own: what Debian has installed is unknown there.
	"rpm": {
		ending: ".rpm", install: []string{"rpm", "--dbpath", "/tmp/rpmdb", "--nodeps", "-U", "--replacepkgs"},
		remove: []string{"rpm", "--dbpath", "/tmp/rpmdb", "-e", "pulsegate"}, kept: confFile + ".rpmsave",
	},
}

func TestPackages(t *testing.T) {
	b := buildPackages(t)
	for name, pm := range managers {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			old, next := b.find(m, oldVersion, pm.ending), b.find(m, newVersion, pm.ending)
			do := func(command []string, more ...string) string {
				t.Helper()
				return m.run(command[0], append(command[1:len(command):len(command)], more...)...)
			}

			do(pm.install, old)
			checkInstalled(t, m)
			do(pm.install, old) // again: the scripts find everything done
			checkInstalled(t, m)

			const own = "brokerServiceUrl=pulsar://broker.example:6650\n"
			writeFile(t, m.path(confFile), own)
			do(pm.install, next)
			checkInstalled(t, m)
			if got := readFile(t, m.path(confFile)); got != own {
				t.Errorf("the operator's configuration was not kept: %.100s", got)
			}
			if out := m.run("/usr/bin/pulsegate", "config", "check", "-c", confFile); !strings.Contains(out, "ok: ") {
				t.Error(out)
			}

			do(pm.remove)
			if got := readFile(t, m.path(pm.kept)); got != own {
				t.Errorf("the operator's configuration was not kept: %.100s", got)
			}
			if pm.clean != nil {
				do(pm.clean)
			}
			for _, path := range []string{"/usr/bin/pulsegate", "/usr/lib/systemd/system/pulsegate.service", "/usr/share/doc/pulsegate", confFile} {
				if m.has(path) {
					t.Errorf("%s is left", path)
				}
			}
		})
	}
}

// checkInstalled looks at what a package brought.
func checkInstalled(t *testing.T, m *machine) {
	t.Helper()
	if users := m.run("getent", "passwd", "pulsegate"); strings.Count(users, "\n") != 1 || !strings.Contains(users, "nologin") {
		t.Errorf("users: %s", users)
	}
	info, err := os.Stat(m.path("/etc/pulsegate"))
	if err != nil {
		t.Fatal(err)
	}
	group := strings.Split(m.run("getent", "group", "pulsegate"), ":")[2]
	if owner := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o750 || group != strings.TrimSpace(m.run("stat", "-c", "%g", "/etc/pulsegate")) || owner.Uid != 0 {
		t.Errorf("/etc/pulsegate: %v, user %d, group %d", info.Mode(), owner.Uid, owner.Gid)
	}
	// The service's user reads its configuration; others do not.
	asUser := func(user string) error {
		_, err := m.try("setpriv", "--reuid", user, "--regid", user, "--clear-groups",
			"/usr/bin/pulsegate", "config", "check", "-c", confFile, "--set", "brokerServiceUrl=pulsar://b:1")
		return err
	}
	if err := asUser("pulsegate"); err != nil {
		t.Errorf("as the service's user: %v", err)
	}
	if err := asUser("daemon"); err == nil {
		t.Error("anyone may read the configuration")
	}
	if !m.has("/usr/lib/systemd/system/pulsegate.service") {
		t.Error("there is no unit")
	}
}

// A running system's unit is stopped and disabled by a removal only, and restarted by an upgrade; systemctl is a stand-in
// that writes down what it is asked for.
func TestScripts(t *testing.T) {
	for _, tc := range []struct{ script, arg, want string }{
		{"postinstall.sh", "configure", "daemon-reload\ntry-restart --no-block pulsegate.service\n"},
		{"postinstall.sh", "2", "daemon-reload\ntry-restart --no-block pulsegate.service\n"},
		{"preremove.sh", "remove", "stop pulsegate.service\n--no-reload disable pulsegate.service\n"},
		{"preremove.sh", "0", "stop pulsegate.service\n--no-reload disable pulsegate.service\n"},
		{"preremove.sh", "upgrade", ""},
		{"preremove.sh", "1", ""},
		{"postremove.sh", "purge", "daemon-reload\n"},
	} {
		t.Run(tc.script+" "+tc.arg, func(t *testing.T) {
			m := newMachine(t)
			copyFile(t, filepath.Join(top(t), "deploy/packages", tc.script), m.path("/tmp/script"), 0o755)
			copyFile(t, filepath.Join(top(t), "deploy/systemd/pulsegate.sysusers.conf"), m.path("/usr/lib/sysusers.d/pulsegate.conf"), 0o644)
			writeFile(t, m.path("/tmp/bin/systemctl"), "#!/bin/sh\necho \"$*\" >>/tmp/asked\n")
			for _, dir := range []string{"/run/systemd/system", "/etc/pulsegate"} {
				if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			writeFile(t, m.path("/tmp/asked"), "")
			m.run("chmod", "755", "/tmp/bin/systemctl")
			m.run("env", "PATH=/tmp/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/tmp/script", tc.arg)
			if got := readFile(t, m.path("/tmp/asked")); got != tc.want {
				t.Errorf("systemctl was asked for %q, want %q", got, tc.want)
			}
		})
	}
}
