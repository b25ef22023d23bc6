package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/web"
)

// Error is an error as WeChat returns it to an app: a number and a text, taken from WeChat's table
// of return codes and from responses captured at these endpoints.
type Error struct {
	Code int
	Text string
}

// Error returns the number and the text.
func (e *Error) Error() string { return "relay: errcode " + strconv.Itoa(e.Code) + ": " + e.Text }

// rejected is the error of a rejected request: an Error with its cause. The app receives the Error,
// and only the log has the cause.
type rejected struct {
	answer   *Error // for the app
	reason   string
	logAttrs []slog.Attr // as in web.Rejection
}

// because returns e with its cause, for the log.
func (e *Error) because(reason string, logAttrs ...slog.Attr) error {
	return &rejected{answer: e, reason: reason, logAttrs: logAttrs}
}

// Error returns the text of WeChat's errmsg, and the cause.
func (e *rejected) Error() string { return e.answer.Error() + ": " + e.reason }

// Unwrap returns the error for the app.
func (e *rejected) Unwrap() error { return e.answer }

// The errors of this package. They are immutable.
var (
	errSystem        = &Error{-1, "system error"}
	errCredential    = &Error{40001, "invalid credential, access_token is invalid or not latest"}
	errGrantType     = &Error{40002, "invalid grant_type"}
	errOpenID        = &Error{40003, "invalid openid"}
	errAppID         = &Error{40013, "invalid appid"}
	errAccessToken   = &Error{40014, "invalid access_token"}
	errCode          = &Error{40029, "invalid code"}
	errRefreshToken  = &Error{40030, "invalid refresh_token"}
	errBadURL        = &Error{40066, "invalid url"}
	errSecret        = &Error{40125, "invalid appsecret"}
	errCodeUsed      = &Error{40163, "code been used"}
	errNoAccessToken = &Error{41001, "access_token missing"}
	errNoAppID       = &Error{41002, "appid missing"}
	errNoRefresh     = &Error{41003, "refresh_token missing"}
	errNoSecret      = &Error{41004, "appsecret missing"}
	errNoCode        = &Error{41008, "missing code"}
	errNoOpenID      = &Error{41009, "missing openid"} // WeChat's text is not known
	errExpired       = &Error{42001, "access_token expired"}
	errMethod        = &Error{43001, "require GET method"}
	errSlowDown      = &Error{45011, "api minute-quota reach limit, must slower, retry next minute"}
	errUnauthorized  = &Error{48001, "api unauthorized"}
)

// call implements one endpoint below /sns/. It reads the parameters p and returns the response. The
// App in its result is for logs and metrics; it is nil if the request identified none.
type call func(r *http.Request, p url.Values) (*App, *orderedJSON, error)

// sns returns the handler of a call. The status is 200 even for errors, and the content type is
// text/plain without a charset. WeChat's responses had both in captures of 2016, 2021 and 2024, and
// some libraries depend on them.
func (h *Handler) sns(endpoint string, run call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		app, out, err := h.runCall(w, r, run)
		outcome := "ok"
		if err != nil {
			e := h.errorFor(r, endpoint, app, err)
			outcome = strconv.Itoa(e.Code)
			out = newOrderedJSON()
			out.addInt("errcode", e.Code)
			out.addString("errmsg", e.Text+", rid: "+h.rid(r))
		}
		o := Observation{Endpoint: endpoint, Outcome: outcome}
		if app != nil {
			o.App = app.ID
		}
		h.cfg.Observe(o)
		body := out.bytes()
		header := w.Header()
		header.Set("Content-Type", "text/plain")
		header.Set("Content-Length", strconv.Itoa(len(body)))
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // fails when the client has disconnected
		}
	}
}

// runCall parses the parameters and makes the call. Like WeChat, it accepts parameters in the query
// and in a form, and the methods GET and POST.
func (h *Handler) runCall(w http.ResponseWriter, r *http.Request, run call) (*App, *orderedJSON, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, nil, errMethod // HEAD too: it would use up a code without returning anything
	}
	r.Body = http.MaxBytesReader(w, r.Body, int64(limit.RequestBody.Bytes))
	// Some apps do not percent-encode the code. ParseForm then returns an error, but has parsed the
	// other parameters, so the error is ignored. The call reports the lost parameter as missing.
	var large *http.MaxBytesError
	if err := r.ParseForm(); errors.As(err, &large) {
		return nil, nil, errBadURL
	}
	return run(r, r.Form)
}

// errorFor returns the error for the app, and logs it. An error that is not an *Error is a failure
// of the server. The app then gets WeChat's errcode -1, and tries again.
func (h *Handler) errorFor(r *http.Request, endpoint string, app *App, err error) *Error {
	id := ""
	if app != nil {
		id = app.ID
	}
	var e *Error
	if errors.As(err, &e) {
		line := web.Rejection{Request: "relay", App: id, Reason: e.Text, Attrs: []slog.Attr{
			slog.String("endpoint", endpoint), slog.Int("errcode", e.Code), slog.String("rid", h.rid(r))}}
		var cause *rejected
		if errors.As(err, &cause) {
			line.Reason, line.Attrs = cause.reason, append(line.Attrs, cause.logAttrs...)
		}
		h.cfg.Site.LogRejection(r, line)
		return e
	}
	if r.Context().Err() == nil {
		h.cfg.Logger.ErrorContext(r.Context(), "relay call failed", "endpoint", endpoint, "app", id, "error", err,
			"rid", h.rid(r),
			"request_id", h.cfg.RequestID(r.Context()))
	}
	return errSystem
}

// rid returns the identifier that WeChat appends to errmsg since 2021: the time in hexadecimal, and
// two groups that identify the request. Here the two groups are derived from the request id. So an
// error in the log of an app can be found in the log of the gateway.
func (h *Handler) rid(r *http.Request) string {
	sum := sha256.Sum256([]byte("rid " + h.cfg.RequestID(r.Context())))
	name := hex.EncodeToString(sum[:8])
	return fmt.Sprintf("%08x-%s-%s", uint32(h.cfg.Now().Unix()), name[:8], name[8:])
}

// orderedJSON builds a JSON object as WeChat's responses have it: keys in the order in which they
// are added, no spaces, and "/" escaped. Apps that were written for WeChat may parse it with a
// regular expression.
type orderedJSON struct{ buffer bytes.Buffer }

func newOrderedJSON() *orderedJSON { return &orderedJSON{} }

// addKey writes "{" before the first key, or a comma before any later key, and then the key. The
// caller writes the value.
func (o *orderedJSON) addKey(name string) {
	separator := byte(',')
	if o.buffer.Len() == 0 {
		separator = '{'
	}
	o.buffer.WriteByte(separator)
	o.buffer.WriteString(`"` + name + `":`)
}

func (o *orderedJSON) addInt(name string, v int) {
	o.addKey(name)
	o.buffer.WriteString(strconv.Itoa(v))
}

func (o *orderedJSON) addString(name, v string) {
	o.addKey(name)
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("relay: " + err.Error()) // encoding a string cannot fail
	}
	o.buffer.WriteString(strings.ReplaceAll(strings.TrimSuffix(text.String(), "\n"), "/", `\/`))
}

func (o *orderedJSON) addEmptyList(name string) {
	o.addKey(name)
	o.buffer.WriteString("[]")
}

// bytes ends the object and returns it.
func (o *orderedJSON) bytes() []byte {
	o.buffer.WriteByte('}')
	return o.buffer.Bytes()
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// tokenFormat matches the format of access tokens. WeChat returns 40014 for a text in another
// format, and 40001 for a token in this format that does not exist.
var tokenFormat = regexp.MustCompile(`^[0-9]{1,3}_[A-Za-z0-9_-]{20,}$`)

// userInfo serves /sns/userinfo: nickname and picture. sex is 0, and city, province and country are
// empty, as at WeChat since 2021-10-20. The order of the keys, and the undocumented key "language",
// come from a captured response. The parameter lang is ignored, because it selects only the
// language of the empty fields.
func (h *Handler) userInfo(r *http.Request, p url.Values) (*App, *orderedJSON, error) {
	app, grant, user, err := h.bearer(r.Context(), p)
	if err != nil {
		return app, nil, err
	}
	if !wantsProfile(grant.Scopes) {
		return app, nil, errUnauthorized
	}
	union, err := h.unionID(r.Context(), grant)
	if err != nil {
		return app, nil, err
	}
	out := newOrderedJSON()
	out.addString("openid", grant.OpenID)
	out.addString("nickname", user.Nickname)
	out.addInt("sex", 0)
	for _, empty := range []string{"language", "city", "province", "country"} {
		out.addString(empty, "")
	}
	out.addString("headimgurl", user.AvatarURL)
	out.addEmptyList("privilege")
	if union != "" {
		out.addString("unionid", union)
	}
	return app, out, nil
}

// auth serves /sns/auth, which reports whether an access token is valid. It is the only endpoint
// whose successful response contains an errcode, 0.
func (h *Handler) auth(r *http.Request, p url.Values) (*App, *orderedJSON, error) {
	app, _, _, err := h.bearer(r.Context(), p)
	if err != nil {
		return app, nil, err
	}
	out := newOrderedJSON()
	out.addInt("errcode", 0)
	out.addString("errmsg", "ok")
	return app, out, nil
}

// bearer validates the parameters access_token and openid. It returns the app, the user, and the
// grant (the authorization of the app by the user) of the token. If the user has lost access to the
// app, the token counts as expired. The app then refreshes, gets an error, and redirects the user
// to authorize. There, a page shows the reason.
func (h *Handler) bearer(ctx context.Context, p url.Values) (*App, gateway.Grant, gateway.User, error) {
	fail := func(app *App, err error) (*App, gateway.Grant, gateway.User, error) {
		return app, gateway.Grant{}, gateway.User{}, err
	}
	token, openID := p.Get("access_token"), p.Get("openid")
	switch {
	case token == "":
		return fail(nil, errNoAccessToken)
	case openID == "":
		return fail(nil, errNoOpenID)
	case !tokenFormat.MatchString(token):
		return fail(nil, errAccessToken)
	}
	_, grant, err := h.cfg.Grants.Token(ctx, sha256.Sum256([]byte(token)), h.cfg.Now())
	switch {
	case errors.Is(err, gateway.ErrExpired):
		return fail(nil, errExpired.because("token_expired_or_revoked"))
	case errors.Is(err, gateway.ErrNotFound):
		return fail(nil, errCredential.because("unknown_token"))
	case err != nil:
		return fail(nil, err)
	}
	app := h.byID[grant.App]
	switch {
	case app == nil || !isRelayGrant(grant): // not configured any more, or not for this package
		return fail(nil, errCredential.because("token_of_a_removed_app", slog.String("token_app", grant.App)))
	case openID != grant.OpenID:
		return fail(app, errOpenID)
	}
	user, err := h.checkGrant(ctx, app, grant, errExpired)
	if err != nil {
		return fail(app, err)
	}
	return app, grant, user, nil
}
