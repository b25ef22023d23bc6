package admin

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// healthPage shows how well sign-ins, calls to WeChat, keys and deliveries work.
type healthPage struct {
	*screen
	Health   administration.Health
	Periods  []int // hours
	Period   int
	SignIns  web.Chart // finished sign-ins by method
	Ends     web.Chart // sign-ins that began: finished, failed or unfinished
	WeChat   web.Chart // answers of WeChat that are errors
	Total    administration.SignIns
	Success  int64              // answers of WeChat without an error
	Failures []errcodeRow       // answers of WeChat that are errors
	Failed   []gateway.Delivery // that were given up
	Later    []gateway.Delivery // that wait for another attempt after one failed
	Problems []problemRow
}

// problemRow is a problem with the texts of its advice.
type problemRow struct {
	administration.Problem
	Place string // what has the problem
}

// Explain returns the advice about the problem. The template calls it.
func (p problemRow) Explain(language string) string {
	return administration.Explain(language, p.Source, p.Code)
}

// errcodeRow counts the answers of WeChat to one connector with one errcode, in the period. A
// connector is an app at WeChat that the gateway uses.
type errcodeRow struct {
	Connector, Errcode string
	Count              int64
}

// periods are the choices for the period, in hours.
var periods = []int{24, 72, 7 * 24}

// maxSeries is the greatest number of series in a chart.
const maxSeries = 6

// health serves the page.
func (h *Handler) health(v *visit) error {
	p := healthPage{screen: h.screen(v), Periods: periods, Period: 24}
	if hours, ok := number(v.r.URL.Query().Get("hours"), 1, 24*31); ok && slices.Contains(periods, hours) {
		p.Period = hours
	}
	// The last hour of the period is the current hour.
	from := v.now.Truncate(time.Hour).Add(-time.Duration(p.Period-1) * time.Hour)
	var err error
	if p.Health, err = h.cfg.Service.Health(v.r.Context(), from, v.now); err != nil {
		return err
	}
	p.SignIns, p.Ends = h.signInCharts(v, p.Health, p.Period)
	p.WeChat, p.Failures, p.Success = h.wechatChart(v, p.Health, p.Period)
	for _, hour := range p.Health.Hours {
		p.Total.Began += hour.Total.Began
		p.Total.Finished += hour.Total.Finished
		p.Total.Failed += hour.Total.Failed
	}
	for _, problem := range p.Health.Problems {
		p.Problems = append(p.Problems, problemRow{Problem: problem, Place: h.place(v, problem.Source)})
	}
	if p.Failed, err = h.deliveries(v, gateway.DeliveryFailed); err != nil {
		return err
	}
	waiting, err := h.deliveries(v, gateway.DeliveryWaiting)
	if err != nil {
		return err
	}
	for _, d := range waiting {
		if d.LastError != "" {
			p.Later = append(p.Later, d)
		}
	}
	return h.show(v, "health", "health.title", p)
}

func (h *Handler) deliveries(v *visit, state gateway.DeliveryState) ([]gateway.Delivery, error) {
	return h.cfg.Service.Deliveries(v.r.Context(), gateway.DeliveryQuery{State: state, Limit: pageRows})
}

// hoursPerBar returns how many hours one bar stands for, so that a chart has at most 28 bars.
func hoursPerBar(period int) int {
	switch {
	case period <= 24:
		return 1
	case period <= 72:
		return 3
	}
	return 6
}

// barLabel returns the label of a bar: the hour, or day and hour.
func (h *Handler) barLabel(at time.Time, period int) string {
	at = at.In(h.cfg.TimeZone)
	if period <= 24 {
		return at.Format("15:04")
	}
	return at.Format("01-02 15:04")
}

// signInCharts returns two charts: finished sign-ins by method, and what became of the sign-ins
// that began.
func (h *Handler) signInCharts(v *visit, health administration.Health, period int) (byMethod, ends web.Chart) {
	methods := health.Methods[:min(len(health.Methods), maxSeries)]
	byMethod = web.Chart{ID: "by-method", Title: h.text(v, "health.by_method"), Column: h.text(v, "health.time")}
	for _, method := range methods {
		byMethod.Series = append(byMethod.Series, h.textOr(v, "method."+method, method))
	}
	ends = web.Chart{
		ID: "ends", Title: h.text(v, "health.ends"), Column: h.text(v, "health.time"),
		Series: []string{h.text(v, "health.finished"), h.text(v, "health.failed"), h.text(v, "health.unfinished")},
	}
	for i := 0; i < len(health.Hours); i += hoursPerBar(period) {
		values, total := make([]int, len(methods)), administration.SignIns{}
		for _, hour := range health.Hours[i:min(i+hoursPerBar(period), len(health.Hours))] {
			for j, method := range methods {
				values[j] += int(hour.ByMethod[method].Finished)
			}
			total.Began += hour.Total.Began
			total.Finished += hour.Total.Finished
			total.Failed += hour.Total.Failed
		}
		label := h.barLabel(health.Hours[i].At, period)
		byMethod.Labels, byMethod.Values = append(byMethod.Labels, label), append(byMethod.Values, values)
		unfinished := max(total.Began-total.Finished-total.Failed, 0) // a sign-in can end in another hour than it began
		ends.Labels = append(ends.Labels, label)
		ends.Values = append(ends.Values, []int{int(total.Finished), int(total.Failed), int(unfinished)})
	}
	return byMethod, ends
}

// wechatChart returns a chart of the errors that WeChat has answered with, by errcode over time. It
// also returns the counts of the whole period. The chart has no successes: they would hide errors.
func (h *Handler) wechatChart(
	v *visit, health administration.Health, period int,
) (chart web.Chart, failures []errcodeRow, success int64) {
	for _, each := range health.WeChat {
		if each.Errcode == "0" {
			success += each.Count
			continue
		}
		i := slices.IndexFunc(failures, func(row errcodeRow) bool {
			return row.Connector == each.Connector && row.Errcode == each.Errcode
		})
		if i < 0 {
			i = len(failures)
			failures = append(failures, errcodeRow{Connector: each.Connector, Errcode: each.Errcode})
		}
		failures[i].Count += each.Count
	}
	slices.SortStableFunc(failures, func(a, b errcodeRow) int { return int(b.Count - a.Count) })
	chart = web.Chart{ID: "wechat", Title: h.text(v, "health.wechat"), Column: h.text(v, "health.time")}
	for _, row := range failures[:min(len(failures), maxSeries)] {
		chart.Series = append(chart.Series, row.Connector+" "+row.Errcode)
	}
	for i := 0; i < len(health.Hours); i += hoursPerBar(period) {
		begin := health.Hours[i].At
		end := begin.Add(time.Duration(hoursPerBar(period)) * time.Hour)
		values := make([]int, len(chart.Series))
		for _, each := range health.WeChat {
			j := slices.Index(chart.Series, each.Connector+" "+each.Errcode)
			if j >= 0 && !each.At.Before(begin) && each.At.Before(end) {
				values[j] += int(each.Count)
			}
		}
		chart.Labels = append(chart.Labels, h.barLabel(begin, period))
		chart.Values = append(chart.Values, values)
	}
	return chart, failures, success
}

// place returns words for the source of a problem: "wechat:main" is a connector, "app:wiki" an app.
func (h *Handler) place(v *visit, source string) string {
	kind, name, _ := strings.Cut(source, ":")
	if kind == "app" {
		name = h.appName(name)
	}
	return h.textOr(v, "source."+kind, source, "name", web.Shown(name, 60))
}

// Quiet reports whether a chart has nothing to show. Templates call it.
func (s *screen) Quiet(c web.Chart) bool {
	for _, values := range c.Values {
		for _, n := range values {
			if n > 0 {
				return false
			}
		}
	}
	return true
}

// Age returns how many days have passed since at. Templates call it.
func (p healthPage) Age(at time.Time) int { return int(p.Health.To.Sub(at) / (24 * time.Hour)) }

// sendAgain serves the button of a delivery that was given up.
func (h *Handler) sendAgain(v *visit) error {
	id, err := strconv.ParseInt(v.r.PostForm.Get("delivery"), 10, 64)
	if err != nil || id <= 0 {
		return errInput
	}
	if err := h.cfg.Service.RetryDelivery(v.r.Context(), h.by(v), id); err != nil {
		return err
	}
	h.done(v, h.root+"/health", "send_again", 1)
	return nil
}

// notificationsPage lists the webhooks that receive notifications.
type notificationsPage struct {
	*screen
	Names []string
	Rows  []gateway.Delivery // the latest messages of all webhooks
}

// notifications serves the page of the webhooks. It shows the state of each message, but never the
// response of the webhook: this may be an internal server, whose response must not be readable here
// (CVE-2026-45298 of Dozzle).
func (h *Handler) notifications(v *visit) error {
	rows, err := h.cfg.Service.Deliveries(v.r.Context(), gateway.DeliveryQuery{
		Kind: gateway.DeliverNotification, Limit: pageRows,
	})
	if err != nil {
		return err
	}
	return h.show(v, "notifications", "notifications.title", notificationsPage{
		screen: h.screen(v), Names: h.cfg.Service.Notices(), Rows: rows,
	})
}

// testNotification serves the button that sends a test message.
func (h *Handler) testNotification(v *visit) error {
	if _, err := h.cfg.Service.TestNotice(v.r.Context(), h.by(v), v.r.PostForm.Get("name")); err != nil {
		return err
	}
	h.done(v, h.root+"/notifications", "test_notification", 1)
	return nil
}
