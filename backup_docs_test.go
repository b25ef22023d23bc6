package weigate_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cli"
)

// startedWriter calls started when the gateway has printed that it serves.
type startedWriter struct {
	mu      sync.Mutex
	text    bytes.Buffer
	started func()
}

func (w *startedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(b)
	if strings.Contains(w.text.String(), "Ctrl-C") {
		w.started()
	}
	return n, err
}

// TestBackupCommandsInDocs runs the commands of docs/en/backup.md and docs/en/upgrade.md, one after the
// other. The folders of the Debian package are below a temporary folder, and a command of systemctl
// does nothing. The Chinese pages have the same commands.
func TestBackupCommandsInDocs(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]int{"docs/en/backup.md": 8, "docs/en/upgrade.md": 5} {
		dir := t.TempDir()
		for _, folder := range []string{"backups/weigate", "lib/weigate"} {
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		config := filepath.Join(dir, "weigate.yaml")
		text := "url: https://login.example.com\nlisten: 127.0.0.1:0\nmetrics: \"\"\n" +
			"store: \"sqlite:" + filepath.Join(dir, "lib/weigate/weigate.db") + "\"\n" +
			"wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: hushhush}]\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env := map[string]string{"WEIGATE_CONFIG": config}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		out := &startedWriter{started: stop}
		if err := cli.Run(ctx, []string{"serve"}, nil, out, out, func(k string) string { return env[k] }); err != nil {
			t.Fatalf("%v\n%s", err, out.text.String())
		}
		ran := 0
		for _, line := range strings.Split(strings.Join(read(t, page).code, "\n"), "\n") {
			line = strings.TrimPrefix(line, "runuser -u weigate -- ")
			line = strings.ReplaceAll(line, "/var/", dir+"/")
			if line == "" || strings.HasPrefix(line, "systemctl ") || strings.HasPrefix(line, "15 3 ") ||
				strings.HasPrefix(line, "docker ") || line == "weigate ping" { // no gateway runs here
				continue
			}
			ran++
			if err := runDocumented(t, line, env); err != nil {
				t.Errorf("%s: %s: %v", page, line, err)
			}
		}
		if ran < want {
			t.Errorf("%s: ran %d commands, want %d", page, ran, want)
		}
	}
}

// runDocumented runs one line of a page: weigate in this process, and other commands by a shell.
func runDocumented(t *testing.T, line string, env map[string]string) error {
	t.Helper()
	words := strings.Fields(line)
	getenv := func(key string) string { return env[key] }
	if words[0] == "env" {
		key, value, _ := strings.Cut(words[1], "=")
		getenv = func(k string) string {
			if k == key {
				return value
			}
			return env[k]
		}
		words = slices.Delete(words, 0, 2)
	}
	if words[0] != "weigate" {
		return exec.CommandContext(t.Context(), "sh", "-c", line).Run()
	}
	var out bytes.Buffer
	err := cli.Run(t.Context(), words[1:], strings.NewReader(""), &out, &out, getenv)
	if err != nil {
		t.Log(out.String())
	}
	return err
}
