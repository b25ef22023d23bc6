package config_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
)

var update = flag.Bool("update", false, "write the expected problems again; read them before you commit them")

// canary is the value of every secret in the faulty files.
const canary = "CANARY"

// TestFaultyFiles checks that all problems of each file in testdata/faulty are reported at once, with
// their lines, as in the .txt file beside it. No problem may contain a secret.
func TestFaultyFiles(t *testing.T) {
	t.Parallel()
	copied := privateCopy(t, "testdata")
	files, err := filepath.Glob(filepath.Join(copied, "faulty/*.yaml"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(file, nil)
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "") + "\n"
			if strings.Contains(got, canary) {
				t.Errorf("a secret is repeated:\n%s", got)
			}
			golden := "testdata/faulty/" + strings.TrimSuffix(filepath.Base(file), ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// privateCopy copies a folder with the modes that an operator gives to files with secrets. git keeps
// no modes.
func privateCopy(t *testing.T, folder string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(copied, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return copied
}
