package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// keyDays are the lifetimes that the form of an API key offers, in days; 0 = the key never expires.
var keyDays = []int{1, 30, 90, 365, 0}

// keysPage is the list of API keys.
type keysPage struct {
	*screen
	Rows   []keyRow
	People people
}

// keyRow is an API key with its state.
type keyRow struct {
	gateway.APIKey
	State string // usable, expiring, expired, revoked
}

// expiryWarning is how long before its expiry a key has the state expiring.
const expiryWarning = 7 * 24 * time.Hour

func keyState(k gateway.APIKey, now time.Time) string {
	state := administration.APIKeyState(k, now)
	if state == "usable" && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < expiryWarning {
		return "expiring"
	}
	return state
}

// apiKeys serves the list of API keys, without the keys themselves.
func (h *Handler) apiKeys(v *visit) error {
	keys, err := h.cfg.Service.APIKeys(v.r.Context())
	if err != nil {
		return err
	}
	p := keysPage{screen: h.screen(v)}
	var authors []string
	for _, k := range keys {
		authors = append(authors, k.CreatedBy)
		p.Rows = append(p.Rows, keyRow{APIKey: k, State: keyState(k, v.now)})
	}
	if p.People, err = h.people(v, authors); err != nil {
		return err
	}
	return h.show(v, "api_keys", "api_keys.title", p)
}

// keyForm is the form of a new API key.
type keyForm struct {
	*screen
	Name     string
	Scopes   []string // all scopes
	Chosen   []string // selected scopes
	Choices  []keyLifetime
	Problems problems
}

// keyLifetime is a lifetime that the form offers.
type keyLifetime struct {
	Days     int       // 0 = no end
	Ends     time.Time // zero = never
	Selected bool
}

// keyForm reads the values of the form: from the form, or, after a sign-in that interrupted the
// form, from the address.
func (h *Handler) keyForm(v *visit) keyForm {
	name := v.r.FormValue("name") // also parses v.r.Form
	f := keyForm{screen: h.screen(v), Name: name, Scopes: administration.Scopes(), Chosen: v.r.Form["scopes"]}
	selected, ok := number(v.r.FormValue("days"), 0, 3650)
	if !ok || !slices.Contains(keyDays, selected) {
		selected = 90
	}
	for _, days := range keyDays {
		each := keyLifetime{Days: days, Selected: days == selected}
		if days > 0 {
			each.Ends = v.now.AddDate(0, 0, days)
		}
		f.Choices = append(f.Choices, each)
	}
	return f
}

func (h *Handler) askAPIKey(v *visit) error { return h.showKeyForm(v, http.StatusOK, h.keyForm(v)) }

func (h *Handler) showKeyForm(v *visit, status int, f keyForm) error {
	return h.write(v, web.Document{
		View: "api_key", Title: h.text(v, "api_key.title"), Status: status, Data: f, Trail: h.trail(v, "api-keys"),
	})
}

// keyShown is the page that shows a new API key, once.
type keyShown struct {
	*screen
	APIKey gateway.APIKey
	Secret string
}

func (h *Handler) createAPIKey(v *visit) error {
	f := h.keyForm(v)
	in := administration.NewAPIKey{Name: f.Name, Scopes: f.Chosen}
	for _, each := range f.Choices {
		if each.Selected {
			in.Expires = time.Duration(each.Days) * 24 * time.Hour
		}
	}
	key, secret, err := h.cfg.Service.CreateAPIKey(v.r.Context(), h.by(v), in)
	if f.Problems = h.problemsOf(v, err); len(f.Problems) > 0 {
		return h.showKeyForm(v, http.StatusBadRequest, f)
	}
	if err != nil {
		return err
	}
	return h.write(v, web.Document{
		View: "api_key_shown", Title: h.text(v, "api_key_shown.title"), Trail: h.trail(v, "api-keys"),
		Data: keyShown{screen: h.screen(v), APIKey: key, Secret: secret},
	})
}

func (h *Handler) revokeAPIKey(v *visit) error {
	if err := h.cfg.Service.RevokeAPIKey(v.r.Context(), h.by(v), v.r.PathValue("id")); err != nil {
		return err
	}
	h.done(v, h.root+"/api-keys", "revoke_api_key", 1)
	return nil
}
