package admin

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// This file reads the input of pages, and turns the results of list actions into notices.

// errInput is the error for a form that no page of this package sends.
var errInput = errors.New("admin: malformed form")

// pageRows is the number of rows of a list.
const pageRows = 50

// maxMicro is the latest time that an address may contain, in microseconds: the end of the year
// 9999. Later times would overflow in a database.
var maxMicro = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()

// selection returns the keys of the selected rows: from the form, or, for a GET request, from the
// address (see turnedPage). Each key is returned once, and at most limit.SelectedRows keys.
func selection(r *http.Request) []string {
	sent := r.URL.Query()["sel"]
	if r.Method == http.MethodPost {
		sent = r.PostForm["sel"]
	}
	var keys []string
	for _, key := range sent {
		valid := key != "" && len(key) <= maxKey && gateway.CleanLine(key) == key
		if valid && !slices.Contains(keys, key) && len(keys) < limit.SelectedRows.Max {
			keys = append(keys, key)
		}
	}
	return keys
}

// maxKey is the greatest length of the key of a row: a user id and the id of an app.
const maxKey = 160

// turnedPage returns the address of another page of a list, with the selection, if a button to turn
// the page has sent the form. Such a button is not a link, so that the selection is kept without a
// script.
func (h *Handler) turnedPage(v *visit, path string) (address string, turn bool) {
	form := v.r.PostForm
	after, turn := form.Get("page"), len(form["page"]) > 0 // the position of the page, or "first"
	if !turn {
		return "", false
	}
	query := url.Values{}
	for _, name := range []string{"app", "q", "status", "group", "admin", "no_unionid"} {
		if value := form.Get("filter_" + name); value != "" {
			query.Set(name, value)
		}
	}
	if after != "first" {
		query.Set("after", after)
	}
	query["sel"] = selection(v.r)
	return h.root + path + "?" + query.Encode(), true
}

// splitList returns the words of a text. Commas, semicolons, spaces and line breaks separate them,
// and the Chinese forms of these.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune(",，、;； \t\r\n\u3000", r)
	})
}

// number parses a number from lowest to highest. ok is false for any other text.
func number(text string, lowest, highest int) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil && n >= lowest && n <= highest
}

// results returns how many rows an action changed, and the rows that it could not change.
func (h *Handler) results(v *visit, outcomes []administration.Outcome) (done int, left []leftRow, err error) {
	var ids []string
	for _, o := range outcomes {
		if o.Err == nil {
			done++
			continue
		}
		ids = append(ids, o.UserID)
	}
	users, err := h.people(v, ids)
	for _, o := range outcomes {
		if o.Err != nil {
			left = append(left, leftRow{User: users.One(o.UserID), Reason: "reason." + reasonOrOther(o.Err)})
		}
	}
	return done, left, err
}

// reasons are the errors that describe the data, and the words for them. The text of a word has the
// key reason.WORD.
var reasons = []struct {
	err  error
	word string
}{
	{administration.ErrSelf, "self"},
	{gateway.ErrLastAdmin, "last_admin"},
	{gateway.ErrConflict, "conflict"},
	{gateway.ErrBlocked, "blocked"},
	{gateway.ErrNotFound, "not_found"},
	{administration.ErrPending, "pending"},
	{administration.ErrNotBlocked, "not_blocked"},
	{administration.ErrForbidden, "forbidden"},
	{administration.ErrAmbiguous, "ambiguous"},
	{administration.ErrNotConfigured, "not_configured"},
}

// reasonOf returns the word for an error of reasons; "" = another error.
func reasonOf(err error) string {
	for _, each := range reasons {
		if errors.Is(err, each.err) {
			return each.word
		}
	}
	return ""
}

func reasonOrOther(err error) string {
	if reason := reasonOf(err); reason != "" {
		return reason
	}
	return "other"
}

// inputProblem returns the error about the input of an action, which is the same for every row; nil
// = the input is valid.
func inputProblem(outcomes []administration.Outcome) error {
	var field *administration.FieldError
	for _, o := range outcomes {
		if errors.As(o.Err, &field) {
			return field
		}
	}
	return nil
}

// problems are the texts of invalid fields, by the name of the field.
type problems map[string]string

// problemsOf returns the text for an error about invalid input. It returns nil for other errors.
func (h *Handler) problemsOf(v *visit, err error) problems {
	var field *administration.FieldError
	if !errors.As(err, &field) {
		return nil
	}
	return problems{field.Field: h.text(v, "invalid."+field.Key, "max", field.Max, "value", web.Shown(field.Value, 60))}
}

// redirect redirects to a path of the pages, with status 303.
func (h *Handler) redirect(v *visit, address string) { route.SeeOther(v.w, address) }

// done redirects to a page, which then confirms what was done to n rows.
func (h *Handler) done(v *visit, address, what string, n int) {
	h.redirect(v, h.confirm(v, address, web.Confirmation{Act: what, N: n}, web.ConfirmationTime))
}

// doneTo is done for an act on users. If there is one, the next page names the user.
func (h *Handler) doneTo(v *visit, address, what string, n int, users []string) {
	c := web.Confirmation{Act: what, N: n}
	if len(users) == 1 {
		c.User = users[0]
	}
	h.redirect(v, h.confirm(v, address, c, web.ConfirmationTime))
}

// confirm returns the address of a page that shows a confirmation to this administrator.
func (h *Handler) confirm(v *visit, address string, c web.Confirmation, lasts time.Duration) string {
	return c.Address(address, h.cfg.Keys[0], v.browser.User.ID, v.now.Add(lasts))
}

// notice returns the text of the confirmation in the address; "" = there is none.
func (h *Handler) notice(v *visit) string {
	c, ok := web.ReadConfirmation(v.r.URL.Query(), h.cfg.Keys, v.browser.User.ID, v.now)
	if !ok {
		return ""
	}
	text := h.text(v, "done."+c.Act, "n", c.N)
	named, err := h.people(v, []string{c.User})
	if user, found := named[c.User]; err == nil && found {
		return h.text(v, "notice.named", "value", text, "name", web.Shown(cmp.Or(called(user), c.User), 60))
	}
	return text
}
