package metrics

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/weigate/weigate/wechat"
)

// Metrics counts. It is safe for concurrent use. Make it with [New]; nil counts nothing.
type Metrics struct {
	all []*series

	begun, ended  *series
	calls         *series
	callTime      *series
	answers       *series
	relayed       *series
	tokens        *series
	operations    *series
	operationTime *series
	requests      *series
	requestTime   *series
}

// other stands for every value that is not in a table.
const other = "other"

// New makes a Metrics, which also tells of the process and of Go's runtime.
func New() *Metrics {
	m := &Metrics{}
	times := func(name, help string, buckets []float64, labels ...string) *series {
		s := &series{name: "weigate_" + name, help: help, labels: labels, bounds: buckets, made: map[string]*serie{}}
		m.all = append(m.all, s)
		return s
	}
	counts := func(name, help string, labels ...string) *series { return times(name, help, nil, labels...) }
	quick := []float64{.0005, .002, .01, .05, .25, 1, 5}
	slow := []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m.begun = counts("sign_ins_begun_total", "Sign-ins sent to WeChat. A denial never comes back: begun minus ended tells of those.", "method")
	m.ended = counts("sign_ins_ended_total", "Sign-ins that came back, by what became of them.", "method", "outcome")
	m.calls = counts("wechat_calls_total", "Attempts of calls to WeChat, by errcode or by what was wrong with the answer.", "endpoint", "result")
	m.callTime = times("wechat_call_seconds", "Time of one attempt of a call to WeChat.", slow, "endpoint")
	m.answers = counts("oidc_answers_total", "Answers to apps.", "endpoint", "grant", "app", "outcome")
	m.relayed = counts("relay_answers_total", "Answers to old code that speaks WeChat's protocol, by errcode or by why a person was stopped.", "endpoint", "app", "outcome")
	m.tokens = counts("tokens_issued_total", "Codes and tokens given to apps.", "kind")
	m.operations = counts("store_operations_total", "Operations of the store.", "operation", "outcome")
	m.operationTime = times("store_operation_seconds", "Time of one operation of the store.", quick, "operation")
	m.requests = counts("http_requests_total", "HTTP requests by route.", "route", "method", "status")
	m.requestTime = times("http_request_seconds", "Time to answer an HTTP request.", slow, "route")
	return m
}

// Handler is what Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		writeRuntime(&b)
		writeSamples(&b, process())
		for _, s := range m.all {
			s.write(&b)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(b.Bytes()) // Prometheus, if it went away, comes again
	})
}

// SignInBegan counts a browser sent to WeChat through a door.
func (m *Metrics) SignInBegan(method string) {
	if m != nil {
		m.begun.count(known(method, doors()))
	}
}

// SignInEnded counts a callback by what became of it.
func (m *Metrics) SignInEnded(method, outcome string) {
	if m != nil {
		m.ended.count(known(method, doors()), known(outcome, signInOutcomes()))
	}
}

func doors() []string { return []string{"wechat", "scan", "website"} }

func signInOutcomes() []string {
	return []string{"ok", "blocked", "denied", "snapshot", "refused", "failed", "start_again", "wrong_number"}
}

// WeChat counts one attempt of a call. It is a wechat.Client's Observe.
func (m *Metrics) WeChat(_ context.Context, c wechat.Call) {
	if m == nil {
		return
	}
	endpoint := known(c.Endpoint, []string{"access_token", "refresh_token", "userinfo", "auth"})
	m.calls.count(endpoint, result(c))
	m.callTime.observe(c.Duration.Seconds(), endpoint)
}

// OIDC counts one answer to an app: the endpoint, at the token endpoint the grant, the app ("" = none was recognised), and "ok" or the error's code.
// The app is one that is configured, so the operator bounds that label.
func (m *Metrics) OIDC(endpoint, grant, app, outcome string) {
	if m == nil {
		return
	}
	m.answers.count(
		known(endpoint, []string{"authorize", "token", "userinfo", "revoke", "introspect", "logout"}),
		known(grant, []string{"", "authorization_code", "refresh_token"}),
		app, known(outcome, oidcOutcomes()))
}

// oidcOutcomes are "ok", "no_token", and the error codes of RFC 6749, 6750, 7009, 9101 and OpenID Connect Core that the provider answers.
func oidcOutcomes() []string {
	return []string{"ok", "no_token", "access_denied", "account_selection_required", "consent_required", "insufficient_scope", "interaction_required",
		"invalid_client", "invalid_grant", "invalid_request", "invalid_request_object", "invalid_request_uri", "invalid_scope", "invalid_token",
		"login_required", "registration_not_supported", "request_not_supported", "request_uri_not_supported", "server_error", "slow_down",
		"temporarily_unavailable", "unauthorized_client", "unsupported_grant_type", "unsupported_response_type", "unsupported_token_type"}
}

// Relay counts one answer to old code: the endpoint, the app ("" = none was recognised), and "ok", an errcode, or why a person was stopped.
func (m *Metrics) Relay(endpoint, app, outcome string) {
	if m == nil {
		return
	}
	m.relayed.count(known(endpoint, []string{"authorize", "qrconnect", "access_token", "refresh_token", "userinfo", "auth"}), app,
		known(outcome, relayOutcomes()))
}

func relayOutcomes() []string {
	return []string{"ok", "unknown_app", "redirect_uri", "scope", "state", "bad_request", "method_not_allowed", "not_signed_in", "refused", "wrong_method", "no_openid", "unavailable",
		"internal", "-1", "40001", "40002", "40003", "40013", "40014", "40029", "40030", "40066", "40125", "40163", "41001", "41002", "41003", "41004", "41008",
		"41009", "42001", "43001", "45011", "48001"}
}

func known(value string, values []string) string {
	if slices.Contains(values, value) {
		return value
	}
	return other
}

func itoa(n int) string { return strconv.Itoa(n) }
