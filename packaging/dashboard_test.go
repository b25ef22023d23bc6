package packaging_test

import (
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// TestDashboardFollowsGrafanasSchema reads the dashboard with the types that Grafana generates from its
// schema: unknown keys, values of another type, missing fields, and options that a panel or a query of
// Prometheus does not have are errors. internal/monitoring tests its queries, and provisioning rules.
func TestDashboardFollowsGrafanasSchema(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins() // the schemas of panels and data sources
	var d dashboard.Dashboard
	err := d.UnmarshalJSONStrict([]byte(read(t, "packaging/grafana/weigate.json")))
	if err != nil && err.Error() != "" { // an empty list of errors is not nil
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if len(d.Panels) < 30 {
		t.Errorf("%d panels were read", len(d.Panels))
	}
}
