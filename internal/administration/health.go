package administration

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Health has the counts, problems and keys of a period. It is read from statistics, not from
// events.
type Health struct {
	From, To    time.Time
	Hours       []Hour       // every hour of the period, the earliest first, also those without sign-ins
	Methods     []string     // sign-in methods that occur, sorted
	WeChat      []WeChatHour // answers of WeChat, the earliest first
	Apps        []AppCount   // the most used app first
	Problems    []Problem    // the latest first
	Keys        []KeyAge     // signing keys, the newest first
	Waiting     int          // access requests that wait for a decision, at most 100
	Undelivered int          // failed deliveries, at most 100

	Certificates []Certificate // for the gateway's own TLS; none = a proxy serves TLS, or unknown

	// MasterKeys and MasterKeyAt are from Config: the ids of the keys that seal the signing keys, and
	// when their file was written last.
	MasterKeys  []string
	MasterKeyAt time.Time
}

// SignIns counts sign-ins.
type SignIns struct{ Began, Finished, Failed int64 }

// Hour counts the sign-ins of one hour.
type Hour struct {
	At       time.Time          // the beginning of the hour, UTC
	Total    SignIns            // of all methods
	ByMethod map[string]SignIns // nil = none
}

// WeChatHour counts the answers of WeChat with one errcode in one hour.
type WeChatHour struct {
	At        time.Time // the beginning of the hour, UTC
	Connector string    // name of the app at WeChat in the configuration
	Errcode   string    // "0" = success
	Count     int64
}

// AppCount counts the sign-ins at one app in the period.
type AppCount struct {
	App               string
	SignedIn, Refused int64
}

// Problem is a fault, with the key of the text that advises what to do.
type Problem struct {
	gateway.Problem
	Advice string // one of Advices
}

// KeyAge is a signing key without its secret.
type KeyAge struct {
	ID, Alg                        string
	State                          string // next, active, replaced or expired
	CreatedAt, ActiveAt, ExpiresAt time.Time
}

// Certificate is a certificate without its key.
type Certificate struct {
	Source              string // "files" or "acme"
	Names               []string
	Issuer              string
	NotBefore, NotAfter time.Time
	State               string // active, expiring, expired, or waiting: there is none yet
	Problem             string // why it was not renewed; "" = nothing is wrong
}

// maxPeriod limits the period of Health: a chart with more hours cannot be read.
const maxPeriod = 31 * 24 * time.Hour

// Health returns the counts, problems and keys from one time to another, at most 31 days.
func (s *Service) Health(ctx context.Context, from, to time.Time) (h Health, err error) {
	from, to = from.UTC().Truncate(time.Hour), to.UTC()
	if !from.Before(to) || to.Sub(from) > maxPeriod+time.Hour { // an hour, because from was rounded down
		return Health{}, &FieldError{Field: "from", Key: Invalid, Value: from.Format(time.RFC3339)}
	}
	h = Health{From: from, To: to, MasterKeys: s.cfg.MasterKeys, MasterKeyAt: s.cfg.MasterKeyAt}
	counts, err := s.store.Statistics(ctx, from, to)
	if err != nil {
		return Health{}, err
	}
	h.count(counts)
	problems, err := s.store.Problems(ctx, from)
	if err != nil {
		return Health{}, err
	}
	for _, p := range problems {
		h.Problems = append(h.Problems, Problem{Problem: p, Advice: Advice(p.Source, p.Code)})
	}
	keys, err := s.store.Keys(ctx)
	if err != nil {
		return Health{}, err
	}
	h.Keys = keyAges(keys, s.cfg.Now())
	if s.cfg.Certificates != nil {
		h.Certificates = s.cfg.Certificates(ctx)
	}
	if h.Waiting, err = s.CountWaiting(ctx); err != nil {
		return Health{}, err
	}
	failed, err := s.store.Deliveries(ctx, gateway.DeliveryQuery{State: gateway.DeliveryFailed, Limit: maxCounted})
	h.Undelivered = len(failed)
	return h, err
}

// count fills in Hours, Methods, WeChat and Apps from counts.
func (h *Health) count(counts []gateway.Statistic) {
	index := map[time.Time]int{}
	for at := h.From; at.Before(h.To); at = at.Add(time.Hour) {
		index[at] = len(h.Hours)
		h.Hours = append(h.Hours, Hour{At: at})
	}
	apps := map[string]*AppCount{}
	app := func(id string) *AppCount {
		if apps[id] == nil {
			apps[id] = &AppCount{App: id}
		}
		return apps[id]
	}
	methods := map[string]bool{}
	for _, c := range counts {
		i, found := index[c.Hour.UTC()]
		if !found {
			continue
		}
		first, second, _ := strings.Cut(c.Label, " ") // such as connector and errcode
		switch c.Name {
		case gateway.StatSignInBegan, gateway.StatSignInFinished, gateway.StatSignInFailed:
			methods[first] = true
			h.Hours[i].add(c.Name, first, c.Count)
		case gateway.StatWeChat:
			h.WeChat = append(h.WeChat, WeChatHour{At: c.Hour.UTC(), Connector: first, Errcode: second, Count: c.Count})
		case gateway.StatAppSignIn:
			app(first).SignedIn += c.Count
		case gateway.StatAppRefused:
			app(first).Refused += c.Count
		}
	}
	for m := range methods {
		h.Methods = append(h.Methods, m)
	}
	slices.Sort(h.Methods)
	for _, a := range apps {
		h.Apps = append(h.Apps, *a)
	}
	slices.SortFunc(h.Apps, func(a, b AppCount) int {
		return cmp.Or(cmp.Compare(b.SignedIn, a.SignedIn), cmp.Compare(a.App, b.App))
	})
}

// add adds a count of sign-ins by one method.
func (h *Hour) add(name, method string, n int64) {
	if h.ByMethod == nil {
		h.ByMethod = map[string]SignIns{}
	}
	signIns := h.ByMethod[method]
	switch name {
	case gateway.StatSignInBegan:
		signIns.Began += n
		h.Total.Began += n
	case gateway.StatSignInFinished:
		signIns.Finished += n
		h.Total.Finished += n
	default:
		signIns.Failed += n
		h.Total.Failed += n
	}
	h.ByMethod[method] = signIns
}

// keyAges describes signing keys, the newest first.
func keyAges(keys []gateway.Key, now time.Time) []KeyAge {
	var out []KeyAge
	for _, k := range keys {
		out = append(out, KeyAge{
			ID: k.ID, Alg: k.Alg, State: KeyState(k, keys, now), CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt,
			ExpiresAt: k.ExpiresAt,
		})
	}
	slices.SortStableFunc(out, func(a, b KeyAge) int { return b.ActiveAt.Compare(a.ActiveAt) })
	return out
}

// KeyState returns the state of a key: next, active, replaced or expired. A key is replaced when a
// newer key with the same use and algorithm is active.
func KeyState(k gateway.Key, all []gateway.Key, now time.Time) string {
	switch {
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	case k.ActiveAt.After(now):
		return "next"
	}
	for _, other := range all {
		if other.Alg == k.Alg && other.Use == k.Use && other.ActiveAt.After(k.ActiveAt) && !other.ActiveAt.After(now) {
			return "replaced"
		}
	}
	return "active"
}
