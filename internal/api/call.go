package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// This file reads the parameters of a call, and turns errors of the service into problems. A
// parameter that the caller has not sent is the zero value.

func (c *call) path(name string) string { return gateway.CleanText(c.request.PathValue(name)) }

func (c *call) text(name string) string {
	text, _ := c.query[name].(string)
	return text
}

func (c *call) yes(name string) bool {
	yes, _ := c.query[name].(bool)
	return yes
}

func (c *call) time(name string) time.Time {
	t, _ := c.query[name].(time.Time)
	return t
}

func (c *call) after() cursor {
	at, _ := c.query["after"].(cursor)
	return at
}

// defaultPage is the number of rows of a page without the parameter limit.
const defaultPage = 50

func (c *call) limit() int {
	if n, sent := c.query["limit"].(int); sent {
		return n
	}
	return defaultPage
}

// problem returns the problem for an error. It logs an error of the gateway itself, unless the
// client has disconnected.
func (h *Handler) problem(r *http.Request, err error) *Problem {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.cfg.Logger.ErrorContext(r.Context(), "API operation failed", "error", err,
			"request_id", h.cfg.RequestID(r.Context()))
	}
	return p
}

// codeOf has the code of the problem for the errors of the service, except FieldError.
var codeOf = []struct {
	err  error
	code string
}{
	{administration.ErrSelf, "self"},
	{administration.ErrPending, "user_pending"},
	{administration.ErrAmbiguous, "conflict"},
	{administration.ErrNotConfigured, "conflict"},
	{gateway.ErrLastAdmin, "last_admin"},
	{gateway.ErrBlocked, "user_blocked"},
	{gateway.ErrConflict, "conflict"},
	{gateway.ErrNotFound, "not_found"},
	{gateway.ErrUnavailable, "unavailable"},
}

// problemOf returns the problem for an error. An unknown error becomes the problem "fault", without
// the text of the error: it is for the log only.
func problemOf(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	if f := (*administration.FieldError)(nil); errors.As(err, &f) {
		field := f.Field
		if field == "expires" {
			field = "expires_in" // its name in the API
		}
		message := strings.TrimLeft(strings.TrimPrefix(f.Error(), f.Field), ": ")
		return fieldProblem("invalid_value", field, message)
	}
	for _, known := range codeOf {
		if !errors.Is(err, known.err) {
			continue
		}
		detail := "" // distinguishes errors that share the code conflict
		if known.code == "conflict" && !errors.Is(err, gateway.ErrConflict) {
			detail = known.err.Error()
		}
		return newProblem(known.code, detail)
	}
	return newProblem("fault", "")
}

func join(lists ...[]parameter) []parameter { return slices.Concat(lists...) }

// list returns a list that is never nil, because clients expect [] and not null.
func list(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

// convert converts each row; the result is never nil.
func convert[From, To any](rows []From, one func(From) To) []To {
	out := make([]To, 0, len(rows))
	for _, r := range rows {
		out = append(out, one(r))
	}
	return out
}
