package gateway

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/pulsegate/pulsegate/config"
)

// A gateway with the stock file of each version of Pulsar's proxy serves.
func TestStockFilesServe(t *testing.T) {
	files, err := filepath.Glob("../config/testdata/stock/*.conf")
	if err != nil || len(files) < 6 {
		t.Fatalf("stock files %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			addr, _, stop := serve(t, func(c *config.Config) {
				stock, _, err := config.Load(file, nil, []string{"bindAddress=" + c.BindAddress, "webServicePort=0"})
				if err != nil {
					t.Fatal(err)
				}
				*c = *stock
			})
			resp, err := http.Get("http://" + addr + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %s", resp.Status)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
