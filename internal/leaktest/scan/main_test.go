package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
)

func TestScan(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20) + leaktest.Secret + "\n"
	cases := map[string]struct {
		files  map[string]string
		status int
		out    string
	}{
		"clean":             {map[string]string{"a.log": "one\ntwo\n"}, 0, "1 files"},
		"a hit names lines": {map[string]string{"sub/a.log": "one\ntwo\nx=" + leaktest.Mark}, 1, "a.log:3: the planted mark"},
		"a very long line":  {map[string]string{"a.png": long}, 1, "a.png:1: the planted secret"},
		"an empty folder":   {nil, 2, "no files"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for path, text := range c.files {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			if got := run([]string{dir}, &out, &out); got != c.status || !strings.Contains(out.String(), c.out) {
				t.Errorf("status %d, output %q", got, out.String())
			}
		})
	}
	var out bytes.Buffer
	if got := run([]string{"/no/such/folder"}, &out, &out); got != 2 {
		t.Errorf("a missing folder gave status %d", got)
	}
}
