package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/lang"
)

// healthCmd is "weigate health".
type healthCmd struct {
	adminFlags
	Since moment `default:"24h" placeholder:"TIME" help:"Beginning of the period, at most 31 days ago (${default})."`
}

// Run prints counts of sign-ins and of WeChat's answers, problems, and the state of the keys. The
// gateway keeps the counts in the store, so Run need not read the events.
func (c *healthCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	since, err := c.Since.in(s.zone)
	if err != nil {
		return err
	}
	h, err := svc.Health(s.ctx, since, time.Now())
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(newHealthEntry(h))
	}
	total := administration.SignIns{}
	byMethod := map[string]administration.SignIns{}
	for _, hour := range h.Hours {
		total = sum(total, hour.Total)
		for method, n := range hour.ByMethod {
			byMethod[method] = sum(byMethod[method], n)
		}
	}
	rows := []row{signInRow(lang.Text("all methods"), total)}
	for _, method := range h.Methods {
		rows = append(rows, signInRow(s.word("method", method), byMethod[method]))
	}
	s.out.printf("Since %s, as of %s. Counts are up to 10 seconds behind.\n", s.formatTime(h.From), s.formatInstant(h.To))
	if err := s.out.printTable("SIGN-INS | BEGUN | FINISHED | FAILED", rows); err != nil {
		return err
	}
	s.out.printf("")
	if err := s.out.printTable("WECHAT | ERRCODE | ANSWERS", wechatRows(h.WeChat)); err != nil {
		return err
	}
	s.out.printf("")
	if err := s.printProblems(h.Problems, h.Undelivered); err != nil {
		return err
	}
	s.out.printf("")
	return s.printState(h)
}

func sum(a, b administration.SignIns) administration.SignIns {
	return administration.SignIns{Began: a.Began + b.Began, Finished: a.Finished + b.Finished, Failed: a.Failed + b.Failed}
}

func signInRow(name any, n administration.SignIns) row {
	return cells(name, fmt.Sprint(n.Began), fmt.Sprint(n.Finished), fmt.Sprint(n.Failed))
}

// wechatRows sums the answers of WeChat over the hours: one row for each connector and errcode, the
// most frequent first.
func wechatRows(hours []administration.WeChatHour) []row {
	type answer struct{ connector, errcode string }
	counts := map[answer]int64{}
	var order []answer
	for _, h := range hours {
		a := answer{h.Connector, h.Errcode}
		if counts[a] == 0 {
			order = append(order, a)
		}
		counts[a] += h.Count
	}
	slices.SortStableFunc(order, func(a, b answer) int { return int(counts[b] - counts[a]) })
	var rows []row
	for _, a := range order {
		code := lang.Text("%s", a.errcode)
		if a.errcode == "0" {
			code = lang.Text("0 (success)")
		}
		rows = append(rows, cells(a.connector, code, strconv.FormatInt(counts[a], 10)))
	}
	return rows
}

// printProblems prints the problems of the period. undelivered is the number of failed deliveries.
func (s *invocation) printProblems(problems []administration.Problem, undelivered int) error {
	if undelivered > 0 {
		s.out.printf("Messages could not be sent, see: weigate notify list --state failed")
	}
	if len(problems) == 0 {
		if undelivered == 0 {
			s.out.printf("No problems.")
		}
		return nil
	}
	var rows []row
	for _, p := range problems {
		rows = append(rows, cells(s.problemSource(p.Source), p.Code, strconv.FormatInt(p.Count, 10), s.formatTime(p.LastAt),
			p.RequestID, s.word("detail", administration.DescribeFailure(s.language(), p.Detail))))
	}
	if err := s.out.printTable("PROBLEM | CODE | COUNT | LAST | REQUEST | DETAIL", rows); err != nil {
		return err
	}
	for _, p := range problems {
		s.out.printf("%s: %s", p.Code, administration.Explain(s.language(), p.Source, p.Code))
	}
	return nil
}

// problemSource returns where a problem is: "app:wiki", in Chinese as on the pages.
func (s *invocation) problemSource(source string) string {
	kind, name, found := strings.Cut(source, ":")
	if word := s.word("source", kind); found && word != kind {
		return strings.ReplaceAll(word, "{name}", name)
	}
	return source
}

// printState prints how many users wait and how many deliveries failed, and the state of the keys
// and certificates.
func (s *invocation) printState(h administration.Health) error {
	rows := []row{
		field("users who wait", strconv.Itoa(h.Waiting)),
		field("failed deliveries", strconv.Itoa(h.Undelivered)),
	}
	for _, k := range h.Keys {
		rows = append(rows, cells(lang.Text("signing key %s", k.ID),
			lang.Text("%s, %s, signs from %s", k.Alg, s.word("key_state", k.State), s.formatTime(k.ActiveAt))))
	}
	for _, c := range h.Certificates {
		text := lang.Text("%s", s.word("certificate_state", c.State))
		if !c.NotAfter.IsZero() {
			text = lang.Text("%s, until %s", text, s.formatTime(c.NotAfter))
		}
		if c.Problem != "" {
			text = lang.Text("%s: %s", text, c.Problem)
		}
		rows = append(rows, cells(lang.Text("certificate %s", strings.Join(c.Names, ", ")), text))
	}
	if !h.MasterKeyAt.IsZero() {
		rows = append(rows, field("master key file", lang.Text("written %s", s.formatTime(h.MasterKeyAt))))
	}
	return s.out.printTable("STATE | ", rows)
}

// healthEntry is the JSON object of "weigate health --json".
type healthEntry struct {
	From        time.Time        `json:"from"`
	To          time.Time        `json:"to"`
	Hours       []hourEntry      `json:"hours"`
	WeChat      []wechatEntry    `json:"wechat"`
	Apps        []appCountEntry  `json:"apps"`
	Problems    []problemEntry   `json:"problems"`
	Keys        []signingKeyItem `json:"keys"`
	MasterKeyAt time.Time        `json:"master_key_at,omitzero"`
	Waiting     int              `json:"waiting"`
	Undelivered int              `json:"undelivered"`

	Certificates []certificateEntry `json:"certificates"`
}

type certificateEntry struct {
	Source    string    `json:"source"` // "files" or "acme"
	Names     []string  `json:"names"`
	Issuer    string    `json:"issuer"`
	State     string    `json:"state"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	Problem   string    `json:"problem"`
}

type signInsEntry struct {
	Began    int64 `json:"began"`
	Finished int64 `json:"finished"`
	Failed   int64 `json:"failed"`
}

type hourEntry struct {
	At      time.Time               `json:"at"`
	Total   signInsEntry            `json:"total"`
	Methods map[string]signInsEntry `json:"methods"`
}

type wechatEntry struct {
	At        time.Time `json:"at"`
	Connector string    `json:"connector"`
	Errcode   string    `json:"errcode"`
	Count     int64     `json:"count"`
}

type appCountEntry struct {
	App      string `json:"app"`
	SignedIn int64  `json:"signed_in"`
	Refused  int64  `json:"refused"`
}

type problemEntry struct {
	Source    string    `json:"source"` // such as "wechat:" and the name of a connector
	Code      string    `json:"code"`   // of WeChat: the errcode
	FirstAt   time.Time `json:"first_at"`
	LastAt    time.Time `json:"last_at"`
	Count     int64     `json:"count"`
	RequestID string    `json:"request_id"`
	Detail    string    `json:"detail"`
	Advice    string    `json:"advice"`
}

type signingKeyItem struct {
	ID        string    `json:"id"`
	Alg       string    `json:"alg"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	ActiveAt  time.Time `json:"active_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func newHealthEntry(h administration.Health) healthEntry {
	out := healthEntry{
		From: h.From, To: h.To, Hours: []hourEntry{}, WeChat: []wechatEntry{}, Apps: []appCountEntry{},
		Problems: []problemEntry{}, Keys: []signingKeyItem{}, MasterKeyAt: h.MasterKeyAt.UTC(), Waiting: h.Waiting,
		Undelivered: h.Undelivered, Certificates: []certificateEntry{},
	}
	for _, c := range h.Certificates {
		out.Certificates = append(out.Certificates, certificateEntry{
			Source: c.Source, Names: append([]string{}, c.Names...), Issuer: c.Issuer, State: c.State,
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, Problem: c.Problem,
		})
	}
	for _, hour := range h.Hours {
		entry := hourEntry{At: hour.At, Total: signInsEntry(hour.Total), Methods: map[string]signInsEntry{}}
		for method, n := range hour.ByMethod {
			entry.Methods[method] = signInsEntry(n)
		}
		out.Hours = append(out.Hours, entry)
	}
	for _, w := range h.WeChat {
		out.WeChat = append(out.WeChat, wechatEntry(w))
	}
	for _, a := range h.Apps {
		out.Apps = append(out.Apps, appCountEntry(a))
	}
	for _, p := range h.Problems {
		out.Problems = append(out.Problems, problemEntry{
			Source: p.Source, Code: p.Code, FirstAt: p.FirstAt.UTC(), LastAt: p.LastAt.UTC(), Count: p.Count,
			RequestID: p.RequestID, Detail: p.Detail, Advice: p.Advice,
		})
	}
	for _, k := range h.Keys {
		out.Keys = append(out.Keys, signingKeyItem{
			ID: k.ID, Alg: k.Alg, State: k.State, CreatedAt: k.CreatedAt.UTC(), ActiveAt: k.ActiveAt.UTC(),
			ExpiresAt: k.ExpiresAt.UTC(),
		})
	}
	return out
}
