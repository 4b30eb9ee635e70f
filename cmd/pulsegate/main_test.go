package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/filename"
)

// TestMain runs the tests without what the tester's environment says of the
// configuration, or the command itself for one of them.
func TestMain(m *testing.M) {
	if os.Getenv(envMain) != "" {
		main()
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); config.IsVariable(name) {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// command runs a command line.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// file writes a configuration file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "websocket.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsageErrors(t *testing.T) {
	const key = "hunter2-in-the-place-of-the-path-of-its-file"
	t.Chdir(t.TempDir())
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"nothing"}, "nothing"},
		{[]string{"config", "nothing"}, "nothing"},
		{[]string{"serve", "--nothing"}, "--nothing"},
		{[]string{"serve", "extra"}, "extra"},
		{[]string{"serve"}, "brokerServiceUrl"},
		{[]string{"serve", "-c", "gone.conf"}, "gone.conf"},
		{[]string{"serve", "--embedded", "--set", "webServicePort=x"}, "webServicePort=x (--set)"},
		{[]string{"serve", "--embedded", "--set", "authenticationEnabled=true"}, "authenticationEnabled"},
		{[]string{"serve", "--set", "brokerServicUrl=pulsar://b:1"}, "did you mean brokerServiceUrl?"},
		{[]string{"config", "check"}, "brokerServiceUrl"},
		{[]string{"config", "show", "--set", "x"}, "key=value"},
		{[]string{"serv"}, "did you mean serve?"},
		{[]string{"config", "chek"}, "did you mean check?"},
		{[]string{"nothing"}, "pulsegate --help lists them"},
		{[]string{"serve", "--confg", "x"}, "unknown flag: --confg; did you mean --config?"},
		{[]string{"serve", "--nothing"}, "pulsegate serve --help lists them"},
		{[]string{"serve", "-x"}, "'x' in -x; pulsegate serve --help"},
		{[]string{"serve", "-c"}, "-c, --config needs a value: configuration file"},
		{[]string{"serve", "-c", "gone.conf"}, "-c gone.conf: there is no such file; pulsegate config defaults"},
		{[]string{"serve", "-c", "."}, "-c .: it is a directory"},
		{[]string{"serve", "extra"}, "the usage is: pulsegate serve [flags]"},
		{[]string{"serve", "--embedded=x"}, `--embedded "x": it must be true or false`},
		{[]string{"serve", "--embedded", "--set", "drainTimeoutMillis=5s"}, "drainTimeoutMillis=5s (--set): it must be a whole number of milliseconds from 0"},
		{[]string{"produce", "ws://localhost:1"}, "the usage is: pulsegate produce URL MESSAGE..."},
		{[]string{"produce", "http://localhost:1/x?token=hunter2", "m"}, `"http://localhost:1/x": it must be ws://host:port/path`},
		{[]string{"consume", "localhost:8080"}, "it must be ws://host:port/path"},
		{[]string{"consume", "-n", "x", "ws://localhost:1"}, `-n, --count "x": it must be a whole number`},
		{[]string{"consume", "-n", "-1", "ws://localhost:1"}, "--count -1: it must be 0 or more"},
		{[]string{"consume", "ws://localhost:1/ws/v2/producer/persistent/a/b/c?token=hunter2"}, `b/c": it is an address for a producer; expected one with /consumer/ or /reader/`},
		{[]string{"produce", "ws://localhost:1/ws/reader/persistent/a/b/c/d", "m"}, "it is an address for a reader; expected one with /producer/"},
		{[]string{"status", "--url", "localhost:8080"}, `--url "localhost:8080": expected the address of a gateway, such as http://localhost:8080`},
		{[]string{"status", "--url", "http://me:hunter2@localhost"}, `--url "localhost": expected`},
		{[]string{"status", "--url", "http://localhost/?token=hunter2"}, `--url "http://localhost/": expected`},
		{[]string{"status", "--url", "http://localhost:1", "--token-file", "gone"}, "--token-file gone: there is no such file; name one that exists"},
		{[]string{"status", "--url", "https://localhost:1", "--tls-trust", "gone"}, "--tls-trust gone: there is no such file; name one that exists"},
		{[]string{"status", "--url", "http://localhost:1", "--token-file", key}, "--token-file: " + filename.ErrNone.Error()},
		{[]string{"status", "--url", "https://localhost:1", "--tls-trust", key}, "--tls-trust: " + filename.ErrNone.Error()},
		{[]string{"serve", "-c", "tokenSecretKey=hunter2\n"}, filename.ErrNone.Error()},
		{[]string{"serve", "--broker-conf", "tokenSecretKey=hunter2\n"}, filename.ErrNone.Error()},
		{[]string{"serve", "--embedded", "--set", "webServicePort=0", "--set", "cryptoKeyDirectory=" + key, "--set", "webServicePortTls=0",
			"--set", "tlsCertificateFilePath=" + key, "--set", "tlsKeyFilePath=" + key}, "tlsCertificateFilePath: " + filename.ErrNone.Error()},
		{[]string{"status", "--token", "a", "--token-file", "b"}, "pulsegate status: --token and --token-file exclude each other; give one of them"},
		{[]string{"serve", "-c", "a", "--broker-conf", "b"}, "pulsegate serve: --config and --broker-conf exclude each other; give one of them"},
		{[]string{"serve", "--embedded", "--broker-conf", "b"}, "pulsegate serve: --embedded and --broker-conf exclude each other; give one of them"},
		{[]string{"serve", "--broker-conf", "gone.conf"}, "--broker-conf gone.conf: there is no such file; name one that exists"},
		{[]string{"sessions", "-n", "0", "--url", "http://localhost:1"}, "-n, --count 0: it must be from 1 to 1000"},
		{[]string{"topics", "--where", "x", "--url", "http://localhost:1"}, `--where "x": expected field=value`},
		{[]string{"top", "--every", "1ms", "--url", "http://localhost:1"}, "--every 1ms: it must be a second or more"},
		{[]string{"top", "--every", "5", "--url", "http://localhost:1"}, `--every "5": it must be `},
		{[]string{"top", "-n", "0", "--url", "http://localhost:1"}, "-n, --count 0: it must be from 1 to 1000"},
		{[]string{"close", "x", "--url", "http://localhost:1"}, `"x": expected the id of a session, as pulsegate sessions prints it`},
		{[]string{"profile", "cpu", "gone/file", "--url", "http://localhost:1"}, "FILE gone/file: there is no directory gone; make it, or name a file elsewhere"},
		{[]string{"serve", "--embedded", "--set", "webServicePort=0", "--set", "webServicePortTls=0", "--set", "tlsCertificateFilePath=gone", "--set", "tlsKeyFilePath=gone"},
			"tlsCertificateFilePath=gone: no such file"},
		{[]string{"serve", "--embedded", "--set", "webServicePort=0", "--set", "authenticationEnabled=true", "--set", "authenticationProviders=" + config.ProviderToken,
			"--set", "tokenSecretKey=file:///gone"}, "/gone: no such file"},
	} {
		code, stdout, stderr := command(t, tc.args...)
		if code != exitUsage || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%q: exit code %d, output %q %q", tc.args, code, stdout, stderr)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	path := file(t, "globalZookeeperServers=z\nclusterName=c\nwebServicPort=1\nnumHttpServerThreads=8\n")
	code, stdout, stderr := command(t, "config", "check", "-c", path)
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{"warning: webServicPort (" + path + ":3)", "did you mean webServicePort?", "warning: numHttpServerThreads", "ok: " + path} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	code, _, stderr = command(t, "config", "check", "-c", path, "--set", "logLevel=loud")
	if code != exitUsage || !strings.Contains(stderr, "logLevel=loud (--set)") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, _, stderr = command(t, "config", "check", "--embedded", "-c", file(t, "")); code != exitOK {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestConfigDefaults(t *testing.T) {
	var want bytes.Buffer
	if err := config.WriteDefaults(&want); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := command(t, "config", "defaults"); code != exitOK || stdout != want.String() {
		t.Errorf("exit code %d", code)
	}
}

func TestConfigShow(t *testing.T) {
	path := file(t, "clusterName=c\nbrokerClientAuthenticationPlugin="+config.AuthToken+"\nbrokerClientAuthenticationParameters=hunter2\n"+
		"tlsKeyFilePath=-----BEGIN PRIVATE KEY-----hunter2\n")
	code, stdout, stderr := command(t, "config", "show", "-c", path, "--set", "logLevel=debug")
	if code != exitOK || strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("exit code %d, %s %s", code, stdout, stderr)
	}
	for _, want := range []string{"# " + path + ":1\nclusterName=c\n", "# --set\nlogLevel=debug\n", "# default\nwebServicePort=8080\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
}

// A file that is not valid is shown, too, and each mistake is named on standard error.
func TestConfigShowOfAnInvalidFile(t *testing.T) {
	path := file(t, "clusterName=c\nwebServicePort=x\nautenticationEnabled=true\n")
	code, stdout, stderr := command(t, "config", "show", "-c", path)
	if code != exitUsage || !strings.Contains(stdout, "# "+path+":1\nclusterName=c\n") || !strings.Contains(stdout, ":2, not valid: ") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	for _, want := range []string{"webServicePort=x (" + path + ":2)", "autenticationEnabled (" + path + ":3)", "authenticationEnabled"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
}

// The environment is read, between the file and the command line.
func TestEnvironment(t *testing.T) {
	path := file(t, "clusterName=file\nwebServicePort=1\n")
	t.Setenv("PULSAR_PREFIX_clusterName", "prefixed")
	t.Setenv("webServicePort", "2")
	t.Setenv("logLevel", "info")
	t.Setenv("PULSAR_MEM", "-Xmx1g")
	_, stdout, stderr := command(t, "config", "show", "-c", path, "--set", "logLevel=debug")
	for _, want := range []string{
		"# environment PULSAR_PREFIX_clusterName\nclusterName=prefixed\n", "# environment webServicePort\nwebServicePort=2\n", "# --set\nlogLevel=debug\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "warning: PULSAR_MEM (environment PULSAR_MEM): accepted without effect") {
		t.Errorf("standard error: %s", stderr)
	}
	t.Setenv("PULSAR_PREFIX_webServicePort", "x")
	if code, _, stderr := command(t, "config", "check", "--embedded", "-c", path); code != exitUsage || !strings.Contains(stderr, "webServicePort=x (environment PULSAR_PREFIX_webServicePort)") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// Check names what is wrong with the cluster's address and with the files that keys name at once.
func TestConfigCheckNamesAllMistakes(t *testing.T) {
	path := file(t, "webServicePortTls=8443\ntlsCertificateFilePath=/gone.pem\ntlsKeyFilePath=/gone.key\nauthenticationEnabled=true\n"+
		"authenticationProviders="+config.ProviderToken+"\ntokenPublicKey=file:///gone.der\nmaxHttpServerConnections=2048\n")
	code, stdout, stderr := command(t, "config", "check", "-c", path)
	if code != exitUsage || !strings.Contains(stdout, "maxHttpServerConnections ("+path+":7): no more than 2048 connections") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	for _, want := range []string{"brokerServiceUrl", "/gone.pem", "/gone.der"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
}

// Without -c the file in conf/ is used when there is one.
func TestDefaultFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(filepath.Dir(config.DefaultPath), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config.DefaultPath, []byte("clusterName=here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := command(t, "config", "show"); !strings.Contains(stdout, "# conf/websocket.conf:1\nclusterName=here\n") {
		t.Errorf("got %s", stdout)
	}
}

func TestVersion(t *testing.T) {
	version = "v9.8.7"
	defer func() { version = "" }()
	for _, how := range []string{"version", "--version"} {
		code, stdout, _ := command(t, how)
		if code != exitOK || !strings.HasPrefix(stdout, "pulsegate v9.8.7\ngo go") {
			t.Errorf("%s: exit code %d, %s", how, code, stdout)
		}
	}
}
