package child

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// envParent makes this test binary a parent that is there to be killed.
const envParent = "PULSEGATE_TEST_CHILD_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(envParent) == "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("sleep", "600")
	cmd.Stdout = os.Stdout
	if _, err := Start(cmd); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("started\n")
	select {}
}

// TestDiesWithParent kills a parent with kill -9 and sees its child go: both hold the writing end of a pipe, which is at its
// end only when neither runs.
func TestDiesWithParent(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), envParent+"=1")
	parent.Stdout = w
	err = parent.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(r)
	if line, err := out.ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("the parent says %q, %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // says that it was killed

	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := out.ReadByte(); err != io.EOF {
		t.Fatalf("the child outlives its parent: %v", err)
	}
}
