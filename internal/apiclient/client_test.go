package apiclient

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/weigate/weigate/internal/gateway"
)

func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("text/csv", openapi3filter.PlainBodyDecoder)
	os.Exit(m.Run())
}

// answer is a response of the generated client.
type answer interface{ StatusCode() int }

// client returns the generated client with a key.
func (r *running) client(key string) *ClientWithResponses {
	r.t.Helper()
	c, err := NewClientWithResponses(r.url+"/api/v1", WithHTTPClient(r.check),
		WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+key)
			return nil
		}))
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// must returns a response, which must have the status.
func must[A answer](t *testing.T, status int) func(A, error) A {
	t.Helper()
	return func(a A, err error) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode() != status {
			t.Errorf("%T: status %d, want %d", a, a.StatusCode(), status)
		}
		return a
	}
}

// TestGeneratedClientCallsEveryOperation calls each operation of the document on a running gateway.
// Each request and response is validated against the document, and no response contains a secret of
// the configuration, a key or the secret of a link (new-api CVE-2026-64859, authentik CVE-2026-40166,
// nginx-ui CVE-2026-42220, Gitea CVE-2026-58511).
func TestGeneratedClientCallsEveryOperation(t *testing.T) {
	r := start(t)
	c := r.client(r.key())
	r.users(t, c)
	r.waiting(t, c)
	r.invitations(t, c)
	r.rest(t, c)
	for path, item := range document(t).Paths.Map() {
		for method, o := range item.Operations() {
			if !r.check.called[o.OperationID] {
				t.Errorf("%s (%s %s) was not called with success", o.OperationID, method, path)
			}
		}
	}
}

func (r *running) users(t *testing.T, c *ClientWithResponses) {
	ctx := t.Context()
	admin, alice, bob := r.user("oAdminExample"), r.user("oAliceExample"), r.user("oBobExample")
	r.session(alice, "oAliceExample")
	must[*ApproveUsersResponse](t, 200)(c.ApproveUsersWithResponse(ctx, Approval{Users: []string{admin.ID}}))
	must[*SetAdminResponse](t, 200)(c.SetAdminWithResponse(ctx, admin.ID, AdminEdit{Admin: true}))
	text, limit := "<b>oAl", 1
	found := must[*SearchUsersResponse](t, 200)(c.SearchUsersWithResponse(ctx, &SearchUsersParams{Text: &text,
		Limit: &limit}))
	if found.JSON200 == nil || len(found.JSON200.Users) != 1 || found.JSON200.Users[0].Id != alice.ID {
		t.Fatalf("%s", found.Body)
	}
	one := must[*FindUserResponse](t, 200)(c.FindUserWithResponse(ctx, &FindUserParams{Id: "oAliceExample"}))
	if one.JSON200.Id != alice.ID {
		t.Errorf("%s", one.Body)
	}
	got := must[*GetUserResponse](t, 200)(c.GetUserWithResponse(ctx, alice.ID))
	tag := got.HTTPResponse.Header.Get("ETag")
	groups, note := []string{"staff"}, "a note"
	edit := UserEdit{Groups: &groups, Note: &note}
	must[*EditUserResponse](t, 200)(c.EditUserWithResponse(ctx, alice.ID, &EditUserParams{IfMatch: &tag}, edit))
	stale := must[*EditUserResponse](t, 412)(c.EditUserWithResponse(ctx, alice.ID, &EditUserParams{IfMatch: &tag}, edit))
	if p := stale.ApplicationproblemJSONDefault; p == nil || p.Code != "stale" || p.RequestId == "" {
		t.Errorf("%s", stale.Body)
	}
	if len(got.JSON200.Sessions) != 1 {
		t.Fatalf("%s", got.Body)
	}
	must[*EndSessionResponse](t, 204)(c.EndSessionWithResponse(ctx, alice.ID, got.JSON200.Sessions[0].Id))
	must[*SignOutUsersResponse](t, 200)(c.SignOutUsersWithResponse(ctx, Users{Users: []string{alice.ID}}))
	reason := "left"
	blocked := must[*BlockUsersResponse](t, 207)(c.BlockUsersWithResponse(ctx, Block{
		Users: []string{alice.ID, "nobody"}, Reason: &reason,
	}))
	if out := blocked.JSON207; out == nil || out.Done != 1 || out.Left != 1 || *out.Outcomes[1].Code != "not_found" {
		t.Errorf("%s", blocked.Body)
	}
	must[*BlockUsersResponse](t, 200)(c.BlockUsersWithResponse(ctx, Block{Users: []string{alice.ID}}))
	must[*UnblockUsersResponse](t, 200)(c.UnblockUsersWithResponse(ctx, Users{Users: []string{alice.ID}}))
	must[*MergeUsersResponse](t, 409)(c.MergeUsersWithResponse(ctx, alice.ID, Merge{Younger: bob.ID})) // one appid
	r.secondIdentity(t, bob)
	unlink := Unlink{Appid: appID, Openid: "oBobExample"}
	must[*UnlinkIdentityResponse](t, 204)(c.UnlinkIdentityWithResponse(ctx, bob.ID, unlink))
	must[*MergeUsersResponse](t, 200)(c.MergeUsersWithResponse(ctx, alice.ID, Merge{Younger: bob.ID}))
	must[*DeleteUserResponse](t, 204)(c.DeleteUserWithResponse(ctx, alice.ID))
	must[*GetUserResponse](t, 404)(c.GetUserWithResponse(ctx, alice.ID))
	export := must[*ExportUsersResponse](t, 200)(c.ExportUsersWithResponse(ctx, &ExportUsersParams{Format: "csv"}))
	if !strings.Contains(string(export.Body), admin.ID) {
		t.Errorf("%s", export.Body)
	}
}

// secondIdentity gives a user an identity at another appid.
func (r *running) secondIdentity(t *testing.T, u gateway.User) {
	t.Helper()
	group := []string{appID, "wx00000000000000b2"}
	for _, s := range []gateway.SignIn{
		{AppID: appID, OpenID: "oBobExample"}, {AppID: "wx00000000000000b2", OpenID: "oBobElsewhere"},
	} {
		s.Connector, s.UnionID, s.OpenPlatform, s.GroupAppIDs = "main", "uBob", "ours", group
		s.At, s.InitialStatus = time.Now(), gateway.Pending
		if have, _, err := r.store.RecordSignIn(t.Context(), s); err != nil || have.ID != u.ID {
			t.Fatalf("%v %v", have.ID, err)
		}
	}
}

func (r *running) waiting(t *testing.T, c *ClientWithResponses) {
	ctx := t.Context()
	carol, dave := r.user("oCarolExample"), r.user("oDaveExample")
	list := must[*ListWaitingResponse](t, 200)(c.ListWaitingWithResponse(ctx, &ListWaitingParams{}))
	count := must[*CountWaitingResponse](t, 200)(c.CountWaitingWithResponse(ctx))
	if len(list.JSON200.Waiting) != 2 || count.JSON200.Count != 2 {
		t.Errorf("%s %s", list.Body, count.Body)
	}
	apps, groups := []string{"wiki"}, []string{"staff"}
	approval := Approval{Users: []string{carol.ID}, Apps: &apps, Groups: &groups}
	must[*ApproveUsersResponse](t, 200)(c.ApproveUsersWithResponse(ctx, approval))
	reason := "ask your team"
	must[*RefuseUsersResponse](t, 200)(c.RefuseUsersWithResponse(ctx, Refusal{Users: []string{dave.ID}, Reason: &reason}))
}

func (r *running) invitations(t *testing.T, c *ClientWithResponses) {
	ctx := t.Context()
	made, err := c.CreateInvitationWithResponse(ctx, NewInvitation{Kind: "user"})
	if err != nil || made.JSON201 == nil {
		t.Fatalf("%v %s", err, made.Body)
	}
	r.secrets.Add("the secret of a link", made.JSON201.Link[strings.LastIndex(made.JSON201.Link, "/")+1:])
	id := made.JSON201.Invitation.Id
	must[*ListInvitationsResponse](t, 200)(c.ListInvitationsWithResponse(ctx, &ListInvitationsParams{}))
	must[*GetInvitationResponse](t, 200)(c.GetInvitationWithResponse(ctx, id, nil))
	must[*RevokeInvitationResponse](t, 204)(c.RevokeInvitationWithResponse(ctx, id))
}

func (r *running) rest(t *testing.T, c *ClientWithResponses) {
	ctx := t.Context()
	must[*GetKeyResponse](t, 200)(c.GetKeyWithResponse(ctx))
	must[*ListAppsResponse](t, 200)(c.ListAppsWithResponse(ctx))
	app := must[*GetAppResponse](t, 200)(c.GetAppWithResponse(ctx, "wiki"))
	if app.JSON200.App.Name != "Wiki" || app.JSON200.Snippet == "" {
		t.Errorf("%s", app.Body)
	}
	must[*GetAppResponse](t, 404)(c.GetAppWithResponse(ctx, "none"))
	outcome := "ok"
	events := must[*ListEventsResponse](t, 200)(c.ListEventsWithResponse(ctx, &ListEventsParams{Outcome: &outcome}))
	if len(events.JSON200.Events) < 10 {
		t.Errorf("%s", events.Body)
	}
	must[*ExportEventsResponse](t, 200)(c.ExportEventsWithResponse(ctx, &ExportEventsParams{Format: "jsonl"}))
	now := time.Now()
	err := r.store.AddStatistics(ctx, []gateway.Statistic{
		{Hour: now.UTC().Truncate(time.Hour), Name: gateway.StatSignInBegan, Label: "wechat", Count: 3},
		{Hour: now.UTC().Truncate(time.Hour), Name: gateway.StatWeChat, Label: "main 40164", Count: 1},
		{Hour: now.UTC().Truncate(time.Hour), Name: gateway.StatAppSignIn, Label: "wiki", Count: 2},
	}, []gateway.Problem{{Source: "wechat:main", Code: "40164", FirstAt: now, LastAt: now, Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	health := must[*GetHealthResponse](t, 200)(c.GetHealthWithResponse(ctx, &GetHealthParams{}))
	if h := health.JSON200; len(h.Problems) != 1 || len(h.Wechat) != 1 || len(h.Apps) != 1 || len(h.Keys) == 0 ||
		len(h.Hours) < 24 {
		t.Errorf("%s", health.Body)
	}
	err = r.store.AddDeliveries(ctx, gateway.Delivery{
		Kind: gateway.DeliverNotification, Target: "chat", Payload: []byte("{}"), CreatedAt: now,
		NextAt: now.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.fail(t)
	state := ListDeliveriesParamsState("failed")
	list := must[*ListDeliveriesResponse](t, 200)(c.ListDeliveriesWithResponse(ctx, &ListDeliveriesParams{State: &state}))
	if len(list.JSON200.Deliveries) != 1 {
		t.Fatalf("%s", list.Body)
	}
	id := "1"
	must[*RetryDeliveryResponse](t, 204)(c.RetryDeliveryWithResponse(ctx, id))
	must[*RetryDeliveryResponse](t, 404)(c.RetryDeliveryWithResponse(ctx, "4711"))
	names := must[*ListNotificationsResponse](t, 200)(c.ListNotificationsWithResponse(ctx))
	if !slices.Contains(names.JSON200.Names, "chat") {
		t.Fatalf("%s", names.Body)
	}
	must[*TestNotificationResponse](t, 204)(c.TestNotificationWithResponse(ctx, "chat"))
}

// fail makes the waiting delivery a failed one, as the worker does.
func (r *running) fail(t *testing.T) {
	t.Helper()
	now := time.Now().Add(2 * time.Hour)
	claimed, err := r.store.ClaimDeliveries(t.Context(), gateway.DeliverNotification, now, time.Minute, 1)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("%+v %v", claimed, err)
	}
	claimed[0].State, claimed[0].LastError = gateway.DeliveryFailed, "status 500"
	if err := r.store.FinishDelivery(t.Context(), claimed[0]); err != nil {
		t.Fatal(err)
	}
}

// TestProgramsOfTheDocuments runs the commands and the program of docs/en/api.md.
func TestProgramsOfTheDocuments(t *testing.T) {
	r := start(t)
	leaver, second := r.user("oLeaverExample"), r.user("oSecondExample")
	text, err := os.ReadFile(filepath.FromSlash("../../docs/en/api.md"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "WEIGATE_URL="+r.url, "WEIGATE_KEY="+r.key(), "USER_ID="+second.ID)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	blocks := func(language string) (found []string) {
		for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
			if code := string(m[1]); !strings.HasPrefix(code, "weigate ") { // TestCommandsInDocsRun runs these
				found = append(found, code)
			}
		}
		return found
	}
	shell, python := blocks("sh"), blocks("python")
	if len(shell) != 4 || len(python) != 1 {
		t.Fatalf("%d blocks of sh and %d of python", len(shell), len(python))
	}
	for i, want := range []string{`"scopes":["admins:write"`, `"status":"blocked"`, `"users":[]`, `"code":"stale"`} {
		if out, err := run("bash", "-c", shell[i]); !strings.Contains(out, want) || (err != nil) != (i == 3) {
			t.Errorf("%s\n%v %s", shell[i], err, out)
		}
	}
	out, err := run("python3", "-c", python[0], "oLeaverExample", leaver.ID)
	if err != nil || strings.Count(out, " blocked\n") != 2 {
		t.Errorf("%v %s", err, out)
	}
	if out, err := run("python3", "-c", python[0], "nobody"); err == nil || !strings.Contains(out, "nobody not_found") {
		t.Errorf("%v %s", err, out)
	}
	for _, u := range []gateway.User{leaver, second} {
		if have, err := r.store.User(t.Context(), u.ID); err != nil || have.Status != gateway.Blocked {
			t.Errorf("%s is %s, %v", u.Nickname, have.Status, err)
		}
	}
}
