package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dataSource is how a panel names its source of data.
type dataSource struct{ Type, UID string }

type panel struct {
	ID          int
	Type, Title string
	Description string
	DataSource  *dataSource
	FieldConfig struct{ Defaults struct{ Unit string } }
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		RefID, Expr, LegendFormat string
		DataSource                dataSource
	}
}

type dashboard struct {
	ID         *int
	UID, Title string
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
			DataSource *dataSource
		}
	}
	Inputs []any `json:"__inputs"`
}

func readDashboard(t *testing.T) (d dashboard, text string) {
	t.Helper()
	content, err := os.ReadFile(dashboardPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	return d, string(content)
}

// A dashboard with ${DS_PROMETHEUS} works by manual import only, and one with the uid of a data source
// works on one machine only (grafana/grafana#10786, grafana/grafana#11018,
// natrontech/pbs-exporter#75). This one has a variable of the type datasource.
func TestDashboardWorksWithAnyDataSource(t *testing.T) {
	t.Parallel()
	d, text := readDashboard(t)
	if d.ID != nil || d.UID != "weigate" || len(d.Inputs) > 0 || strings.Contains(text, "DS_PROMETHEUS") {
		t.Errorf("id %v, uid %q, inputs %v", d.ID, d.UID, d.Inputs)
	}
	if v := d.Templating.List[0]; v.Name != "datasource" || v.Type != "datasource" || v.Query != "prometheus" {
		t.Errorf("the first variable is %+v", v)
	}
	want := dataSource{Type: "prometheus", UID: "${datasource}"}
	for _, v := range d.Templating.List[1:] {
		if v.DataSource == nil || *v.DataSource != want {
			t.Errorf("variable %s has the data source %v", v.Name, v.DataSource)
		}
	}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		if p.DataSource == nil || *p.DataSource != want {
			t.Errorf("panel %q has the data source %v", p.Title, p.DataSource)
		}
		for _, q := range p.Targets {
			if q.DataSource != want {
				t.Errorf("panel %q has the data source %v", p.Title, q.DataSource)
			}
		}
	}
}

// TestDashboardPanels checks that each panel has a description, a unit, legends and queries that
// Prometheus can parse, and that no two panels overlap.
func TestDashboardPanels(t *testing.T) {
	t.Parallel()
	d, _ := readDashboard(t)
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: the id is used twice, or there is no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if cells[cell] != "" || cell[0] >= 24 {
					t.Errorf("panel %q overlaps %q or the edge", p.Title, cells[cell])
				}
				cells[cell] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q has no description, no unit or no query", p.Title)
		}
		for _, q := range p.Targets {
			if q.LegendFormat == "" || q.RefID == "" {
				t.Errorf("panel %q has a query without a legend", p.Title)
			}
			rules = append(rules, rule{Record: fmt.Sprintf("panel:%d_%s", p.ID, q.RefID), Expr: variables.Replace(q.Expr)})
		}
	}
	// JSON is YAML too.
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "panels.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

// variables replaces the variables of the dashboard as Grafana does.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$job", "weigate", "$instance", ".*")
