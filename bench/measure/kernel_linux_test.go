package measure

import (
	"os"
	"strings"
	"testing"
)

func TestReadKernel(t *testing.T) {
	k, err := ReadKernel()
	if err != nil || k.Memory <= 0 || k.Available <= 0 {
		t.Fatalf("got %+v %v", k, err)
	}
	if os.Geteuid() == 0 && len(k.Slabs) == 0 {
		t.Error("no slabs")
	}
}

func TestParseKernel(t *testing.T) {
	m := memInfo(strings.NewReader("MemTotal:       24684092 kB\nHugePages_Total:       3\n"))
	if m["MemTotal"] != 24684092<<10 || m["HugePages_Total"] != 3 {
		t.Errorf("got %v", m)
	}
	page := int64(os.Getpagesize())
	if n, held := sockStat(strings.NewReader("sockets: used 164\nTCP: inuse 89 orphan 0 tw 193 alloc 117 mem 30\nUDP: inuse 0 mem 7\n")); n != 117 || held != 30*page {
		t.Errorf("got %d %d", n, held)
	}
	const slabs = "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize>\n" +
		"TCP      80 90 2432   13    8 : tunables    0    0    0 : slabdata      5      7      0\n" +
		"dentry   1 2 192   21    1 : tunables    0    0    0 : slabdata      3      4      0\n"
	after := Kernel{Slabs: slabInfo(strings.NewReader(slabs))}
	if after.Slabs["TCP"] != 7*8*page || after.Slabs["dentry"] != 4*page || len(after.Slabs) != 2 {
		t.Errorf("got %v", after.Slabs)
	}
	before := Kernel{Slabs: map[string]int64{"TCP": 8 * page, "dentry": 5 * page}}
	if g := after.Grown(&before, 5); len(g) != 1 || g[0] != (Slab{"TCP", 6 * 8 * page}) {
		t.Errorf("got %v", g)
	}
}
