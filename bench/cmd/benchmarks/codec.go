//go:build pulsar && linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/tools/benchmark/parse"
)

// codec is what the benchmarks of the codec said.
type codec struct {
	Command string   `json:"command"`
	Results []timing `json:"results"`
}

// timing is the median of one benchmark.
type timing struct {
	Name        string  `json:"name"`
	Nanoseconds float64 `json:"ns"`
	Allocations uint64  `json:"allocations"`
}

func runCodec(ctx context.Context, quick bool) (*codec, error) {
	args := []string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "150ms", "-count", "3"}
	if quick {
		args = []string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "20ms", "-count", "1"}
	}
	args = append(args, "./codec", "./codec/ws")
	fmt.Fprintln(os.Stderr, "== go", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run the benchmarks of the codec: %w\n%s", err, out)
	}
	c := &codec{Command: "go " + strings.ReplaceAll(strings.Join(args, " "), "^$", "'^$'")}
	all := map[string][]*parse.Benchmark{}
	var order []string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		b, err := parse.ParseLine(lines.Text())
		if err != nil {
			continue // not a result
		}
		name := strings.TrimPrefix(b.Name, "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of cores
			name = name[:i]
		}
		if all[name] == nil {
			order = append(order, name)
		}
		all[name] = append(all[name], b)
	}
	for _, name := range order {
		runs := all[name]
		slices.SortFunc(runs, func(a, b *parse.Benchmark) int {
			if a.NsPerOp < b.NsPerOp {
				return -1
			}
			return 1
		})
		middle := runs[len(runs)/2]
		c.Results = append(c.Results, timing{name, middle.NsPerOp, middle.AllocsPerOp})
	}
	return c, nil
}
