// Package console is the operator's page: what package operator answers, as tables and charts, and a place to
// try producers, consumers and readers out. It is made of plain files that browsers take as they are,
// and needs nothing from anywhere else.
package console

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
)

// Path is where the console lies.
const Path = "/console/"

//go:embed *.html *.css *.js *.svg uplot.LICENSE
var files embed.FS

// policy lets the page load and ask nothing but the gateway itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the files below [Path]. apart says that it does so on a door where there are no producers, consumers and
// readers to try out.
func Handler(apart bool) http.Handler {
	served := http.StripPrefix(Path[:len(Path)-1], http.FileServerFS(fs.FS(files)))
	mode := []byte(fmt.Sprintf("{\"apart\":%t}\n", apart))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cache-Control", "no-cache")
		if r.URL.Path == Path+"mode.json" {
			head.Set("Content-Type", "application/json")
			_, _ = w.Write(mode)
			return
		}
		served.ServeHTTP(w, r)
	})
}
