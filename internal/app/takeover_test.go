package app_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// The user of a snapshot page (快照页) is virtual, and the openid and unionid may belong to anybody.
// Here WeChat's server returns the victim's ids for such a user. In either order nobody
// gets the victim's account, and none is made of it.
func TestTakeoverByAVirtualUnionID(t *testing.T) {
	t.Parallel()
	for _, victimFirst := range []bool{true, false} {
		for _, forged := range [][]string{{"unionid"}, {"openid", "unionid"}} {
			t.Run(fmt.Sprint(forged, victimFirst), func(t *testing.T) {
				t.Parallel()
				var said atomic.Int64
				w := newFixture(t, func(w *gatewayFixture) { w.returnVictimForVirtual("alice", forged, &said) })
				appid := w.config.WeChat[0].AppID
				if victimFirst {
					w.signInWithProfile(w.phone("alice"), "sample")
				}
				mallory := w.phone("bob")
				mallory.Must(mallory.Open(t.Context(), w.authorize("sample", "scope", withProfile)))
				// The silent response was a real user's; the response with the profile is a
				// snapshot user's.
				if err := w.wechat.UpdatePerson("bob", func(p *wechattest.Person) { p.Snapshot = true }); err != nil {
					t.Fatal(err)
				}
				mallory.Press()
				mallory.WantPage(mallory.Page(), "snapshot", 200)
				if said.Load() == 0 {
					t.Fatal("WeChat returned no ids for the virtual user")
				}
				if !victimFirst {
					w.signInWithProfile(w.phone("alice"), "sample")
				}
				users, identities := w.users()
				if len(users) != 2 { // alice's, and bob's own from the silent answer
					t.Fatalf("users: %+v", users)
				}
				for i, a := range users {
					hers := a.Nickname == "Alice"
					if id := identities[i]; len(id) != 1 || hers != (id[0].OpenID == w.wechat.OpenID(appid, "alice")) ||
						hers != (id[0].UnionID == w.wechat.UnionID(appid, "alice")) {
						t.Errorf("account %+v has %+v", a, id)
					}
					sessions, err := w.store.UserSessions(t.Context(), a.ID, w.clock.Now())
					if err != nil || len(sessions) != 1 {
						t.Errorf("%q has %d sessions, %v", a.Nickname, len(sessions), err)
					}
				}
			})
		}
	}
}

// returnVictimForVirtual puts a server before WeChat's that returns the victim's ids for each virtual user,
// and counts how often.
func (w *gatewayFixture) returnVictimForVirtual(victim string, fields []string, said *atomic.Int64) {
	w.t.Helper()
	target, err := url.Parse(w.wechat.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	appid := w.config.WeChat[0].AppID
	ids := map[string]string{"openid": w.wechat.OpenID(appid, victim), "unionid": w.wechat.UnionID(appid, victim)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			text := string(b)
			if strings.Contains(text, `"is_snapshotuser":1`) {
				said.Add(1)
				for _, f := range fields {
					before, rest, found := strings.Cut(text, `"`+f+`":"`)
					_, rest, closed := strings.Cut(rest, `"`)
					if !found || !closed {
						return fmt.Errorf("the answer has no %s", f)
					}
					text = before + `"` + f + `":"` + ids[f] + `"` + rest
				}
			}
			r.Body = io.NopCloser(bytes.NewBufferString(text))
			r.ContentLength = int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	w.t.Cleanup(server.Close)
	w.config.WeChat[0].API = server.URL
}
