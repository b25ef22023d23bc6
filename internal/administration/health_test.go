package administration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// Health comes from counts and problems: every hour of the period, methods, answers of WeChat, apps,
// problems with the key of an advice, and the ages of keys.
func TestHealth(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	hour := start.Truncate(time.Hour)
	err := f.store.AddStatistics(ctx, []gateway.Statistic{
		{Hour: hour, Name: gateway.StatSignInBegan, Label: "wechat", Count: 5},
		{Hour: hour, Name: gateway.StatSignInFinished, Label: "wechat", Count: 3},
		{Hour: hour, Name: gateway.StatSignInFailed, Label: "wechat denied", Count: 1},
		{Hour: hour, Name: gateway.StatSignInFailed, Label: "wechat expired", Count: 1},
		{Hour: hour.Add(-2 * time.Hour), Name: gateway.StatSignInBegan, Label: "scan", Count: 2},
		{Hour: hour.Add(-48 * time.Hour), Name: gateway.StatSignInBegan, Label: "website", Count: 9},
		{Hour: hour, Name: gateway.StatWeChat, Label: "main 40164", Count: 4},
		{Hour: hour, Name: gateway.StatWeChat, Label: "main 0", Count: 3},
		{Hour: hour, Name: gateway.StatAppSignIn, Label: "wiki", Count: 3},
		{Hour: hour, Name: gateway.StatAppRefused, Label: "wiki pending", Count: 2},
		{Hour: hour, Name: gateway.StatAppSignIn, Label: "shop", Count: 7},
	}, []gateway.Problem{
		{Source: "wechat:main", Code: "40164", FirstAt: start, LastAt: start, Count: 4, Detail: "add the address"},
		{Source: "wechat:main", Code: "99999", FirstAt: start, LastAt: start.Add(-time.Minute), Count: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := f.Health(ctx, start.Add(-24*time.Hour), start)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Hours) != 25 || !slices.Equal(h.Methods, []string{"scan", "wechat"}) {
		t.Fatalf("%d hours, methods %v", len(h.Hours), h.Methods)
	}
	last := h.Hours[24]
	if last.Total != (administration.SignIns{Began: 5, Finished: 3, Failed: 2}) || last.ByMethod["wechat"] != last.Total ||
		h.Hours[22].ByMethod["scan"].Began != 2 || h.Hours[0].Total.Began != 0 || !last.At.Equal(hour) {
		t.Errorf("hours %+v", h.Hours)
	}
	if len(h.WeChat) != 2 || h.WeChat[1].Connector != "main" || h.WeChat[1].Errcode != "40164" || h.WeChat[1].Count != 4 {
		t.Errorf("answers of WeChat %+v", h.WeChat)
	}
	wantApps := []administration.AppCount{{App: "shop", SignedIn: 7}, {App: "wiki", SignedIn: 3, Refused: 2}}
	if !slices.Equal(h.Apps, wantApps) {
		t.Errorf("apps %+v", h.Apps)
	}
	if len(h.Problems) != 2 || h.Problems[0].Advice != "wechat.40164" || h.Problems[1].Advice != "wechat.other" {
		t.Errorf("problems %+v", h.Problems)
	}
	if len(h.Keys) == 0 || h.Keys[0].State == "" || h.Keys[0].CreatedAt.IsZero() {
		t.Errorf("keys %+v", h.Keys)
	}
}

// Every advice that Advice returns is in Advices, so that a catalogue can be complete.
func TestAdvices(t *testing.T) {
	t.Parallel()
	all := administration.Advices()
	for _, p := range [][2]string{
		{"wechat:main", "40164"}, {"wechat:main", "1"}, {"app:wiki", "invalid_client"}, {"app:wiki", ""},
		{"notify:ops", "500"}, {"", ""}, {"wechat", "-1"}, {"other:x", "40164"},
		{"proxy:10.0.0.5", administration.ProxyNotTrusted}, {"proxy:10.0.0.5", administration.ProxyReportsNobody},
		{"url:https://new.example.com", administration.URLChanged}, {"url:https://new.example.com", "else"},
	} {
		if a := administration.Advice(p[0], p[1]); !slices.Contains(all, a) {
			t.Errorf("Advice(%q, %q) = %q is not in Advices", p[0], p[1], a)
		}
	}
}
