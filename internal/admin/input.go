package admin

import (
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

// errInput is the error of a form that no page of the gateway has sent.
var errInput = errors.New("admin: malformed form")

// pageRows is the number of rows of a list.
const pageRows = 50

// maxMicro is the latest time in an address, in microseconds: the end of the year 9999. Later times
// would overflow in a database.
var maxMicro = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()

// selection returns the keys of the selected rows, each once, at most limit.SelectedRows: of the
// form, or of the address when the browser turns a page.
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

// turnedPage returns the address of another page of a list, with the selection, when the form was
// sent to turn the page. Turning a page is a form, and not a link, so that the selection is kept
// without a script.
func (h *Handler) turnedPage(v *visit, path string) (address string, turn bool) {
	form := v.r.PostForm
	after, turn := form.Get("page"), len(form["page"]) > 0
	if !turn {
		return "", false
	}
	query := url.Values{}
	for _, name := range []string{"app", "q", "status", "group", "admin"} {
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

// splitList returns the words of a field in which an administrator separates them by commas, spaces
// or line breaks, also by the Chinese comma and the enumeration comma.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune(",，、;； \t\r\n\u3000", r)
	})
}

// number returns a number of a form: between lowest and highest. ok is false for anything else.
func number(text string, lowest, highest int) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil && n >= lowest && n <= highest
}

// results returns how many rows an action changed, and which rows it left, with their users.
func (h *Handler) results(v *visit, outcomes []administration.Outcome) (done int, left []leftRow, err error) {
	var ids []string
	for _, o := range outcomes {
		if o.Err == nil {
			done++
			continue
		}
		ids = append(ids, o.UserID)
	}
	named, err := h.people(v, ids)
	for _, o := range outcomes {
		if o.Err != nil {
			left = append(left, leftRow{User: named.One(o.UserID), Reason: "reason." + reasonOrOther(o.Err)})
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

// reasonOf returns the word for an error that describes the data; "" = another error.
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

// inputProblem returns the error of an action whose input is invalid for every row.
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

// problemsOf returns the text for invalid input; nil = err is another error, or nil.
func (h *Handler) problemsOf(v *visit, err error) problems {
	var field *administration.FieldError
	if !errors.As(err, &field) {
		return nil
	}
	return problems{field.Field: h.text(v, "invalid."+field.Key, "max", field.Max, "value", web.Shown(field.Value, 60))}
}

// redirect continues at a path of the pages.
func (h *Handler) redirect(v *visit, address string) { route.SeeOther(v.w, address) }

// done continues at a page, which then shows what was done. The notice is one of a fixed list, so
// that a link cannot make the page show a text of its own.
func (h *Handler) done(v *visit, address, what string, n int) {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	h.redirect(v, address+separator+"done="+url.QueryEscape(what)+"&n="+strconv.Itoa(n))
}

// notice returns the text of what was done before, and "" if the address names nothing.
func (h *Handler) notice(v *visit) string {
	query := v.r.URL.Query()
	n, ok := number(query.Get("n"), 0, limit.SelectedRows.Max)
	key := "done." + query.Get("done")
	if !ok || !h.views.Texts(v.lang).Has(key) {
		return ""
	}
	return h.text(v, key, "n", n)
}
