package measure

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxScrape bounds the metrics that are read, in bytes.
const maxScrape = 8 << 20

// scraper keeps no connection, since a run takes few samples and leaves nothing
// behind.
var scraper = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}

// Scrape reads a page of metrics in Prometheus' text format: the sum over the
// labels for each name. Histograms' buckets are left out.
func Scrape(ctx context.Context, url string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", url, err)
	}
	req.Header.Set("Accept", "text/plain")
	resp, err := scraper.Do(req)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape %s: %s", url, resp.Status)
	}
	sums := map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, maxScrape))
	for lines.Scan() {
		name, value, ok := metric(lines.Text())
		if ok {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}

// metric reads one line: name{labels} value [time].
func metric(line string) (name string, value float64, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", 0, false
	}
	end := strings.IndexAny(line, "{ \t")
	if end < 0 {
		return "", 0, false
	}
	name, rest := line[:end], line[end:]
	if rest[0] == '{' {
		i := strings.LastIndexByte(rest, '}')
		if i < 0 {
			return "", 0, false
		}
		rest = rest[i+1:]
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 || strings.HasSuffix(name, "_bucket") {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	return name, value, err == nil
}
