package monitoring

import "testing"

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
