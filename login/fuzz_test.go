package login_test

import (
	"path/filepath"
	"testing"
)

// Go runs the seeds as tests; without seeds that would be a test of nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", "FuzzReturn", "*"))
	if err != nil || len(seeds) == 0 {
		t.Errorf("testdata/fuzz/FuzzReturn has no seed: %v", err)
	}
}
