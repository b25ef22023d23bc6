package portal

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// tile is an app as the home page shows it.
type tile struct {
	app         gateway.App
	Name        string
	Description string
	Link        web.AppLink
	Host        string // where the link leads; "" for the scheme of a native app
	Icon        string // a built-in icon; "" = none
	Picture     string // address of the picture; "" = none
}

// Letter returns the first letter of the name, for an app without an icon. The template calls it.
func (t tile) Letter() string {
	for _, letter := range t.Name {
		return string(unicode.ToUpper(letter))
	}
	return ""
}

// Limits of texts of apps, in characters.
const (
	maxName        = 60
	maxDescription = 140
)

// addTiles prepares the tiles of all apps that have an address. The address of an app is checked
// here again: it must be a web address, or have the scheme of a native app. An app with another
// address gets no tile, and does not prevent the tiles of other apps (pocket-id/pocket-id#739).
func (h *Handler) addTiles() {
	h.names, h.icons = map[string]string{}, map[string]gateway.Picture{}
	for _, app := range h.cfg.Apps {
		h.names[app.ID] = web.Shown(cmp.Or(app.Name, app.ID), maxName)
		link := web.ToApp(app.HomeURL, []string{app.HomeURL})
		if link == (web.AppLink{}) || app.Hidden {
			continue
		}
		t := tile{
			app: app, Name: h.names[app.ID], Description: web.Shown(app.Description, maxDescription), Link: link,
			Icon: app.Icon,
		}
		if u, err := url.Parse(app.HomeURL); err == nil {
			t.Host = u.Host
		}
		if isPicture(app.Picture) {
			name := h.iconName(app)
			h.icons[name] = app.Picture
			t.Picture = h.path + pathIcon + name
		}
		h.tiles = append(h.tiles, t)
	}
	slices.SortStableFunc(h.tiles, func(a, b tile) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.app.ID, b.app.ID))
	})
}

// isPicture reports whether a picture has a type that cannot contain scripts.
func isPicture(p gateway.Picture) bool {
	return len(p.Data) > 0 && slices.Contains([]string{"image/png", "image/jpeg", "image/webp"}, p.Type)
}

// iconName returns the last part of the address of an app's picture. It depends on a key, so that
// nobody can find out whether an app exists by requesting the address of its well-known icon. It
// changes with the picture, so that browsers can cache the picture.
func (h *Handler) iconName(app gateway.App) string {
	mac := hmac.New(sha256.New, h.cfg.Keys[0])
	mac.Write([]byte("weigate app icon\x00" + app.ID + "\x00"))
	mac.Write(app.Picture.Data)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// icon serves the picture of an app.
func (h *Handler) icon(w http.ResponseWriter, r *http.Request) {
	picture, found := h.icons[r.PathValue("icon")]
	if !found {
		h.cfg.Site.Fail(w, r, web.NotFound)
		return
	}
	header := w.Header()
	header.Set("Content-Type", picture.Type)
	header.Set("Cache-Control", "private, max-age=604800, immutable")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		_, _ = w.Write(picture.Data) // fails when the browser has disconnected
	}
}

// identities reads the identities of a user once for all apps of a page.
type identities struct {
	from access.Identities
	read bool
	all  []gateway.Identity
	err  error
}

// Identities implements access.Identities for one user.
func (i *identities) Identities(ctx context.Context, userID string) ([]gateway.Identity, error) {
	if !i.read {
		i.all, i.err = i.from.Identities(ctx, userID)
		i.read = true
	}
	return i.all, i.err
}

// apps returns the tiles of the apps that the user may use now. incomplete reports that the access
// rule of an app could not be applied: that app is left out.
func (h *Handler) apps(ctx context.Context, rules access.Rules, user gateway.User) (open []tile, incomplete bool) {
	for _, t := range h.tiles {
		decision, err := rules.Decide(ctx, user, t.app)
		switch {
		case err != nil:
			incomplete = true
			h.cfg.Logger.ErrorContext(ctx, "access rule not applied", "app", t.app.ID, "error", err, "request_id",
				h.cfg.RequestID(ctx))
		case decision == access.Allowed:
			open = append(open, t)
		}
	}
	return open, incomplete
}

// wish is an app that the user has requested and may not use now.
type wish struct {
	Name    string
	Refused bool
	Reason  string // why an administrator refused; "" = no reason given, or not refused
	request gateway.AccessRequest
}

// Since returns when the user requested the app, or when an administrator refused it. The template
// calls it.
func (w wish) Since() time.Time {
	if w.Refused && !w.request.DecidedAt.IsZero() {
		return w.request.DecidedAt
	}
	return w.request.RequestedAt
}

// wishes returns the apps that the user has requested and may not use now. A request without a
// sign-in method does not come from the user: an administrator has decided without being asked. Its
// app is left out, because the user must not learn of it.
func (h *Handler) wishes(
	ctx context.Context, rules access.Rules, user gateway.User, requests []gateway.AccessRequest,
) (out []wish) {
	for _, request := range requests {
		i := slices.IndexFunc(h.cfg.Apps, func(a gateway.App) bool { return a.ID == request.App })
		if i < 0 || request.Method == "" {
			continue
		}
		app := h.cfg.Apps[i]
		if decision, err := rules.Decide(ctx, user, app); err != nil || decision == access.Allowed {
			continue
		}
		w := wish{Name: h.names[app.ID], Refused: access.IsRefused(user, app), request: request}
		switch {
		case w.Refused && request.State == gateway.RequestRefused:
			w.Reason = web.Shown(request.Reason, 500) // at most 500 characters
		case !w.Refused && request.State != gateway.RequestWaiting:
			continue // decided, and the rule of the app has changed since
		}
		out = append(out, w)
	}
	return out
}
