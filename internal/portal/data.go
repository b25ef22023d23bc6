package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
)

// dataPage is the data of the page on which users download their data.
type dataPage struct {
	Path    string
	Session string // identifies this session in the form, without its secret hash: session.FormID
	SignIn  string // address of the sign-in that has to come first; "" = the form can be sent
	Link    bool   // an administrator's link created the session
	Inside  bool   // the browser is WeChat's or WeCom's, which cannot save files
	Copy    string // address of the page, for another browser
}

// dataMethods are the sign-in methods with which users download their data: all but MethodLink. The
// holder of an administrator's link has proven nothing at WeChat.
func dataMethods() []string {
	return []string{gateway.MethodWeChat, gateway.MethodScan, gateway.MethodWebsite, gateway.MethodMessage,
		gateway.MethodFollow}
}

func (h *Handler) readDataPage(r *http.Request, b session.Browser) dataPage {
	d := dataPage{
		Path: h.path, Session: session.FormID(b.Hash), Link: b.Method == gateway.MethodLink,
		Inside: useragent.Of(r).Client != useragent.Other, Copy: h.cfg.URL + pathData,
	}
	// A browser that was left open must not hand out the data, so a recent sign-in is required. Its
	// age is limited as for the administration. A sign-in by a QR code of the gateway (method scan)
	// also counts, although it is weaker: after it, the home page shows most of this data anyway.
	recent := slices.Contains(dataMethods(), b.Method) && !b.AuthTime.IsZero() &&
		h.cfg.Now().Sub(b.AuthTime) <= limit.AdminSignInAge.Duration
	if !recent {
		d.SignIn = h.path + pathData + "?" + paramSignIn + "=1"
	}
	return d
}

// showData serves GET /my-data.
func (h *Handler) showData(w http.ResponseWriter, r *http.Request) {
	b, ok := h.signedIn(w, r)
	if !ok {
		return
	}
	d := h.readDataPage(r, b)
	if d.SignIn != "" && !d.Link && r.URL.Query().Get(paramSignIn) != "" && r.Method == http.MethodGet {
		h.begin(w, r, h.path+pathData, dataMethods(), true)
		return
	}
	h.writeData(w, r, b, d, http.StatusOK)
}

func (h *Handler) writeData(w http.ResponseWriter, r *http.Request, b session.Browser, d dataPage, status int) {
	doc := web.Document{
		View: "data", ID: "data", Wide: true, User: web.UserOf(b.User), Trail: h.trail(r), Data: d, Status: status,
	}
	if status >= http.StatusBadRequest {
		doc.Rejection = web.Rejection{Request: "my-data"} // what was rejected, for the log line
	}
	h.write(w, r, doc, "data")
}

// download serves POST /my-data: the data of the user of the session, as a file.
func (h *Handler) download(w http.ResponseWriter, r *http.Request) {
	b, ok := h.form(w, r, pathData)
	if !ok {
		return
	}
	if d := h.readDataPage(r, b); d.SignIn != "" {
		h.writeData(w, r, b, d, http.StatusForbidden)
		return
	}
	data, err := h.readData(r.Context(), b)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.events.Record(r.Context(), h.event(r, EventDownloaded, b))
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Disposition", `attachment; filename="my-data-`+data.CreatedAt.Format(time.DateOnly)+`.json"`)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = body.WriteTo(w) // fails when the browser has disconnected
}

// userData is the file that users download. It has what the gateway has about the user. It leaves
// out data of others: notes by administrators, who decided what, and apps that the user neither
// uses nor has requested. It has the texts unchanged, while pages shorten and clean some of them.
type userData struct {
	Issuer         string           `json:"issuer"`
	CreatedAt      time.Time        `json:"created_at"`
	User           dataUser         `json:"user"`
	Identities     []dataIdentity   `json:"wechat_identities"`
	Sessions       []dataSession    `json:"sessions"`
	Apps           []dataApp        `json:"apps"`
	AppSessions    []dataAppSession `json:"app_sessions"`
	Requests       []dataRequest    `json:"access_requests"`
	Events         []dataEvent      `json:"events"`
	EventsComplete bool             `json:"events_complete"` // false: older events are left out
}

type dataUser struct {
	ID        string     `json:"id"`
	FormerIDs []string   `json:"former_ids,omitempty"`  // of users that were joined into this user
	OldID     string     `json:"imported_id,omitempty"` // in the program from which the user was imported
	Nickname  string     `json:"nickname"`
	AvatarURL string     `json:"avatar_url"`
	Locale    string     `json:"locale,omitempty"`
	ProfileAt *time.Time `json:"profile_at,omitempty"`
	RealName  string     `json:"real_name,omitempty"`
	Status    string     `json:"status"`
	Admin     bool       `json:"administrator"`
	Groups    []string   `json:"groups,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`

	Agreement *gateway.Agreement `json:"agreement,omitempty"` // what the user agreed to last
}

type dataIdentity struct {
	AppID     string    `json:"appid"`
	OpenID    string    `json:"openid"`
	UnionID   string    `json:"unionid,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"last_sign_in_at"`
}

type dataSession struct {
	Method    string    `json:"method"`
	Browser   string    `json:"browser,omitempty"`
	Address   string    `json:"address,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"last_used_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type dataApp struct {
	App     string     `json:"app"`
	Name    string     `json:"name"`
	Subject string     `json:"known_there_as,omitempty"`
	SinceAt *time.Time `json:"first_sign_in_at,omitempty"`
	LastAt  *time.Time `json:"last_sign_in_at,omitempty"`
	CanRead bool       `json:"can_read_data"` // the app has a grant that is still valid
}

type dataAppSession struct {
	App       string    `json:"app"`
	SessionID string    `json:"sid"`
	CreatedAt time.Time `json:"created_at"`
}

type dataRequest struct {
	App         string     `json:"app"`
	State       string     `json:"state"`
	Reason      string     `json:"reason,omitempty"`
	RequestedAt time.Time  `json:"requested_at"`
	DecidedAt   *time.Time `json:"decided_at,omitempty"`
}

type dataEvent struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	By      string    `json:"by"` // byUser or byAdministrator
	App     string    `json:"app,omitempty"`
	Method  string    `json:"method,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Address string    `json:"address,omitempty"`
}

// readData reads everything for the file.
func (h *Handler) readData(ctx context.Context, b session.Browser) (d userData, err error) {
	u, now := b.User, h.cfg.Now()
	d = userData{Issuer: h.cfg.URL, CreatedAt: now.UTC(), User: dataUser{
		ID: u.ID, OldID: u.OldID, Nickname: u.Nickname, AvatarURL: u.AvatarURL, Locale: u.Locale,
		ProfileAt: optional(u.ProfileAt), RealName: u.RealName, Status: string(u.Status), Admin: u.Admin, Groups: u.Groups,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}}
	if !u.Agreement.IsZero() {
		d.User.Agreement = &u.Agreement
	}
	if d.User.FormerIDs, err = h.cfg.Store.JoinedUsers(ctx, u.ID); err != nil {
		return d, err
	}
	all, err := h.cfg.Store.Identities(ctx, u.ID)
	if err != nil {
		return d, err
	}
	for _, i := range all {
		d.Identities = append(d.Identities, dataIdentity{
			AppID: i.AppID, OpenID: i.OpenID, UnionID: i.UnionID, CreatedAt: i.CreatedAt, SeenAt: i.SeenAt,
		})
	}
	sessions, err := h.cfg.Sessions.UserSessions(ctx, u.ID, now)
	if err != nil {
		return d, err
	}
	for _, s := range sessions {
		listed := listSession(s, false)
		d.Sessions = append(d.Sessions, dataSession{Method: s.Method, Browser: listed.Browser, Address: listed.MaskedIP,
			CreatedAt: s.CreatedAt, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt})
	}
	if err := h.addApps(ctx, &d, now); err != nil {
		return d, err
	}
	d.Events, d.EventsComplete, err = h.ownEvents(ctx, append([]string{u.ID}, d.User.FormerIDs...))
	return d, err
}

// addApps adds what the gateway knows about the user's use of apps.
func (h *Handler) addApps(ctx context.Context, d *userData, now time.Time) error {
	id := d.User.ID
	used, err := h.usedApps(ctx, id, now)
	if err != nil {
		return err
	}
	subjects, err := h.cfg.Store.UserSubjects(ctx, id)
	if err != nil {
		return err
	}
	subjectAt := map[string]string{} // by app: the id by which the app knows the user
	for _, s := range subjects {
		subjectAt[s.App] = s.Subject
	}
	for _, app := range used {
		d.Apps = append(d.Apps, dataApp{App: app.ID, Name: app.Name, Subject: subjectAt[app.ID],
			SinceAt: optional(app.Since), LastAt: optional(app.Last), CanRead: app.Live})
	}
	appSessions, err := h.cfg.Store.UserAppSessions(ctx, id)
	if err != nil {
		return err
	}
	for _, s := range appSessions {
		d.AppSessions = append(d.AppSessions, dataAppSession{App: s.App, SessionID: s.SessionID, CreatedAt: s.CreatedAt})
	}
	requests, err := h.cfg.Store.UserRequests(ctx, id)
	for _, r := range requests {
		if r.Method == "" {
			continue // an administrator has decided without a request of the user
		}
		d.Requests = append(d.Requests, dataRequest{App: r.App, State: string(r.State), Reason: r.Reason,
			RequestedAt: r.RequestedAt, DecidedAt: optional(r.DecidedAt)})
	}
	return err
}

// optional returns a time for a field that is omitted when the time is zero.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Values of dataEvent.By.
const (
	byUser          = "you"
	byAdministrator = "administrator"
)

// ownEvents returns the events of a user, newest first for each of the user's ids, at most
// limit.DownloadedEvents. For an event that an administrator caused, the app, method and address are
// left out: the address is the administrator's, and the app may be one that must stay hidden from
// the user. The detail of every event is left out, because it may quote a note.
func (h *Handler) ownEvents(ctx context.Context, ids []string) (out []dataEvent, complete bool, err error) {
	for _, id := range ids {
		q := gateway.EventQuery{UserID: id, Limit: 500}
		for {
			page, err := h.cfg.Store.Events(ctx, q)
			if err != nil {
				return nil, false, err
			}
			for _, e := range page {
				if len(out) == limit.DownloadedEvents.Max {
					return out, false, nil
				}
				out = append(out, ownEvent(e, ids))
				q.Before = e.ID
			}
			if len(page) < q.Page() {
				break
			}
		}
	}
	return out, true, nil
}

func ownEvent(e gateway.Event, ids []string) dataEvent {
	if e.Actor != "" && !slices.Contains(ids, e.Actor) { // "" = the user caused the event
		return dataEvent{At: e.At, Kind: e.Kind, By: byAdministrator, Outcome: e.Outcome}
	}
	return dataEvent{At: e.At, Kind: e.Kind, By: byUser, App: e.App, Method: e.Method, Outcome: e.Outcome,
		Address: strings.TrimSpace(e.Address)}
}
