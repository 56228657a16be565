package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
	"sync"
)

// all: includes the placeholder of a checkout that has not seen `make assets`.
//
//go:embed all:assets
var assets embed.FS

// vendored are the third-party files that `make assets` brings from npm.
var vendored = []string{"vendor/tokens.css", "vendor/htmx.min.js", "vendor/echarts.min.js"}

// Missing returns the third-party files that this build lacks; pages work without them, without style and charts. `make
// assets` brings them.
func Missing() []string {
	var missing []string
	for _, name := range vendored {
		if _, err := fs.Stat(assets, "assets/"+name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// Assets serves style sheets and scripts under /assets/. Their digest is the ETag, so that browsers ask again but load
// only what changed.
func Assets() http.Handler {
	root, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the embedded folder's name is a constant
	}
	files := http.StripPrefix("/assets/", http.FileServerFS(root))
	tags := sync.OnceValue(func() map[string]string { return digests(root) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/assets/")
		tag, ok := tags()[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}

func digests(root fs.FS) map[string]string {
	tags := map[string]string{}
	_ = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		tags[name] = `"` + hex.EncodeToString(sum[:12]) + `"`
		return nil
	})
	return tags
}
