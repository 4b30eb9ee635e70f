//go:build pulsar

package topic

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// Pulsar's own class takes generated names for the same as this package does.
func TestNamesAsPulsarHasThem(t *testing.T) {
	lib, err := pulsartest.Fetch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	names := generated(rand.New(rand.NewPCG(1, 2)), 20000)
	cmd := exec.Command("java", "-cp", filepath.Join(lib, "*"), "testdata/Names.java")
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(names) {
		t.Fatalf("%d answers to %d names", len(answers), len(names))
	}
	refused, partitions := 0, 0
	for i, full := range names {
		n, err := Parse(full)
		want := "refused"
		if err == nil {
			want = fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%t", n.Partition(), n.Partitioned(), n.Namespace(), n.Tenant(), n.Cluster(), n.Persistent())
		}
		if answers[i] != want {
			t.Errorf("%q: %q here, %q in Pulsar", full, want, answers[i])
		}
		if err != nil {
			refused++
		} else if n.Partition() >= 0 {
			partitions++
		}
	}
	if refused < len(names)/100 || partitions < len(names)/100 {
		t.Errorf("of %d names %d are refused and %d are partitions: that proves little", len(names), refused, partitions)
	}
}

// generated returns full names put together from pieces that matter.
func generated(r *rand.Rand, n int) (names []string) {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range n {
		name := pick("persistent", "non-persistent", "persistent", "non-persistent", "topic", "Persistent") + "://"
		for i := range 3 + r.IntN(3) {
			if i > 0 {
				name += "/"
			}
			name += pick("a", "b", "x-partition-1", "ns", "")
			if r.IntN(20) > 0 && strings.HasSuffix(name, "/") {
				name += "c"
			}
		}
		for range r.IntN(3) {
			name += pick("-partition-", "-partition", "-") + pick("0", "7", "12", "007", "+3", "-1", "", "x", "2147483647", "2147483648", "99999999999", "3 ", "1e1", "0x1", "1/2")
		}
		names = append(names, name)
	}
	return names
}
