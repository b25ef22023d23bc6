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
