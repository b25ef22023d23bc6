package admin

import (
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// overviewPage is the page of /admin: requests that wait, problems, and the sign-ins of the last
// day.
type overviewPage struct {
	*screen
	Rows      []waitingRow
	Count     int // number of requests that wait; counting stops at 100
	Health    administration.Health
	Total     administration.SignIns
	Problems  []problemRow
	OnlyAdmin bool // at most one administrator can sign in
}

// overviewRows is how many requests and problems the overview shows.
const overviewRows = 5

// overview serves /admin.
func (h *Handler) overview(v *visit) error {
	p := overviewPage{screen: h.screen(v), Count: v.waiting}
	ctx := v.r.Context()
	rows, err := h.cfg.Service.Waiting(ctx, gateway.WaitingQuery{Limit: overviewRows})
	if err != nil {
		return err
	}
	for _, row := range rows {
		p.Rows = append(p.Rows, waitingRow{
			WaitingUser: row, Key: waitingKey(row.Request), AppName: h.appName(row.Request.App),
		})
	}
	// The last 24 hours of the clock, the current one included.
	if p.Health, err = h.cfg.Service.Health(ctx, v.now.Add(-23*time.Hour), v.now); err != nil {
		return err
	}
	for _, hour := range p.Health.Hours {
		p.Total.Began += hour.Total.Began
		p.Total.Finished += hour.Total.Finished
		p.Total.Failed += hour.Total.Failed
	}
	for _, problem := range p.Health.Problems[:min(len(p.Health.Problems), overviewRows)] {
		p.Problems = append(p.Problems, problemRow{Problem: problem, Place: h.place(v, problem.Source)})
	}
	admins, err := h.cfg.Service.CountAdmins(ctx)
	if err != nil {
		return err
	}
	// After a sign-in by link, the administrator cannot invite another one.
	p.OnlyAdmin = admins <= 1 && !p.Link && !h.cfg.ChatOnly
	return h.show(v, "overview", "overview.title", p)
}
