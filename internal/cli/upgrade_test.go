package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Each upgrade keeps its newest backup, so that a gateway that fails to migrate at every start does not
// displace the backups of other upgrades. The backup that was just written is kept whatever its time is.
func TestBackupsOfUpgradesAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "w.db")
	for _, name := range []string{
		"w.db", "w.db.before-upgrade-of-notes.txt", "w.db.before-upgrade-of-9.20260101T000000.000Z.jsonl.gz.old",
		"w.db.before-upgrade-of-1.20260101T000000.000Z.jsonl.gz", "w.db.before-upgrade-of-2.20260201T000000.000Z.jsonl.gz",
		"w.db.before-upgrade-of-9.20260301T000000.000Z.jsonl.gz", "w.db.before-upgrade-of-10.20260401T000000.000Z.jsonl.gz",
		"w.db.before-upgrade-of-10.20260401T000001.000Z.jsonl.gz", "w.db.before-upgrade-of-10.20260401T000002.000Z.jsonl.gz",
		"other.db.before-upgrade-of-1.20260101T000000.000Z.jsonl.gz",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// This backup was written with a wrong clock.
	written := path + ".before-upgrade-of-10.20250101T000000.000Z.jsonl.gz"
	if err := os.WriteFile(written, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pruneUpgrades(path, written); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := []string{
		"other.db.before-upgrade-of-1.20260101T000000.000Z.jsonl.gz", "w.db",
		"w.db.before-upgrade-of-10.20250101T000000.000Z.jsonl.gz",
		"w.db.before-upgrade-of-10.20260401T000002.000Z.jsonl.gz", "w.db.before-upgrade-of-2.20260201T000000.000Z.jsonl.gz",
		"w.db.before-upgrade-of-9.20260101T000000.000Z.jsonl.gz.old",
		"w.db.before-upgrade-of-9.20260301T000000.000Z.jsonl.gz",
		"w.db.before-upgrade-of-notes.txt",
	}
	if !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}
