package monitoring

import (
	"sync"
	"testing"
)

// firedAlerts records the names of the alerts that faults have fired.
type firedAlerts struct {
	mu    sync.Mutex
	names map[string]bool
}

// check runs scenarios as checkScenarios does, and records their alerts.
func (f *firedAlerts) check(t *testing.T, interval string, scenarios []scenario) {
	t.Helper()
	checkScenarios(t, interval, scenarios)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range scenarios {
		for _, name := range s.alerts {
			f.names[name] = true
		}
	}
}

// TestFaultsFireTheirAlerts causes faults, and checks with the metrics before and after that they fire
// their alerts. Each alert must be fired by one of them.
func TestFaultsFireTheirAlerts(t *testing.T) {
	t.Parallel()
	fired := &firedAlerts{names: map[string]bool{}}
	t.Run("faults", func(t *testing.T) { // ends when its subtests have ended
		for name, cause := range map[string]func(*testing.T, *firedAlerts){
			"of the gateway": causeFaults, "of the process": causeFaultsOfTheProcess, "of days": causeFaultsOfDays,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cause(t, fired)
			})
		}
	})
	for _, a := range readAlerts(t) {
		if !fired.names[a.Alert] {
			t.Errorf("%s is fired by no fault", a.Alert)
		}
	}
}
