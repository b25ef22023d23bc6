// Package metrics counts what the gateway does, for Prometheus.
//
// [New] returns a [Metrics], and [Metrics.Handler] serves it. The other methods are hooks:
// [Metrics.WeChat] is the OnCall of a wechat.Client, [Metrics.Store] the Observe of a store,
// [Metrics.Tokens] and [Metrics.HTTP] wrap the store and the mux, and [Metrics.OIDC],
// [Metrics.Relay], [Metrics.SignInBegan] and [Metrics.SignInEnded] are called by the composition
// root.
//
//	weigate_sign_ins_begun_total{method}           sign-ins sent to WeChat
//	weigate_sign_ins_ended_total{method,outcome}   sign-ins that returned; a denial usually does not
//	weigate_wechat_calls_total{endpoint,result}    calls to WeChat; result is ok, an errcode or a word
//	weigate_wechat_call_seconds{endpoint}
//	weigate_oidc_answers_total{endpoint,grant,app,outcome}
//	weigate_relay_answers_total{endpoint,app,outcome}
//	weigate_tokens_issued_total{kind}              codes, access tokens, refresh tokens
//	weigate_store_operations_total{operation,outcome}
//	weigate_store_operation_seconds{operation}
//	weigate_http_requests_total{route,method,status}
//	weigate_http_request_seconds{route}
//
// The metrics of the process and of the Go runtime are those of the Prometheus client library.
//
// Every label has few values: a value that is not in a table of this package counts as "other", so
// that no visitor can create time series. No label holds an openid, a user or a secret. All methods
// work on a nil *Metrics and then do nothing.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/weigate/weigate/wechat"
)

// Metrics counts. It is safe for concurrent use. [New] returns one; nil counts nothing.
type Metrics struct {
	registry *prometheus.Registry

	begun         *prometheus.CounterVec
	ended         *prometheus.CounterVec
	calls         *prometheus.CounterVec
	callTime      *prometheus.HistogramVec
	answers       *prometheus.CounterVec
	relayed       *prometheus.CounterVec
	tokens        *prometheus.CounterVec
	operations    *prometheus.CounterVec
	operationTime *prometheus.HistogramVec
	requests      *prometheus.CounterVec
	requestTime   *prometheus.HistogramVec
}

// other stands for every value that is not in a table.
const other = "other"

// New returns a Metrics with the collectors of the process and of the Go runtime.
func New() *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weigate_" + name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weigate_" + name, Help: help, Buckets: buckets},
			labels)
		registry.MustRegister(h)
		return h
	}
	quick := []float64{.0005, .002, .01, .05, .25, 1, 5}
	slow := []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return &Metrics{
		registry: registry,
		begun:    counter("sign_ins_begun_total", "Sign-ins sent to WeChat. A denial never comes back.", "method"),
		ended:    counter("sign_ins_ended_total", "Sign-ins that came back, by outcome.", "method", "outcome"),
		calls: counter("wechat_calls_total", "Attempts of calls to WeChat, by errcode or by the problem of the response.",
			"endpoint", "result"),
		callTime: histogram("wechat_call_seconds", "Duration of one attempt of a call to WeChat.", slow, "endpoint"),
		answers: counter("oidc_answers_total", "Responses to OpenID Connect clients.", "endpoint", "grant", "app",
			"outcome"),
		relayed: counter("relay_answers_total", "Responses in WeChat's protocol, by errcode or by the reason of a refusal.",
			"endpoint", "app", "outcome"),
		tokens:        counter("tokens_issued_total", "Codes and tokens issued to apps.", "kind"),
		operations:    counter("store_operations_total", "Operations of the store.", "operation", "outcome"),
		operationTime: histogram("store_operation_seconds", "Duration of one operation of the store.", quick, "operation"),
		requests:      counter("http_requests_total", "HTTP requests by route.", "route", "method", "status"),
		requestTime:   histogram("http_request_seconds", "Duration of an HTTP request.", slow, "route"),
	}
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// SignInBegan counts a browser that was sent to WeChat by a sign-in method.
func (m *Metrics) SignInBegan(method string) {
	if m != nil {
		m.begun.WithLabelValues(known(method, methods())).Inc()
	}
}

// SignInEnded counts a callback by its outcome.
func (m *Metrics) SignInEnded(method, outcome string) {
	if m != nil {
		m.ended.WithLabelValues(known(method, methods()), known(outcome, signInOutcomes())).Inc()
	}
}

func methods() []string { return []string{"wechat", "scan", "website"} }

// signInOutcomes returns the outcomes of package flow, and "wrong_number" of package scan.
func signInOutcomes() []string {
	return []string{"signed_in", "denied", "refused", "snapshot", "user_restricted", "code_refused", "gave_up", "busy",
		"rate_limited", "store_full", "unavailable", "fault", "wrong_number"}
}

// WeChat counts one attempt of a call. It is the OnCall of a wechat.Client.
func (m *Metrics) WeChat(_ context.Context, c wechat.Call) {
	if m == nil {
		return
	}
	endpoint := known(c.Endpoint, []string{"access_token", "refresh_token", "userinfo", "auth"})
	m.calls.WithLabelValues(endpoint, result(c)).Inc()
	m.callTime.WithLabelValues(endpoint).Observe(c.Duration.Seconds())
}

// OIDC counts one response to an app: the endpoint, at the token endpoint the grant type, the app
// ("" = not identified), and "ok" or the error code. Apps come from the configuration, which bounds
// that label.
func (m *Metrics) OIDC(endpoint, grant, app, outcome string) {
	if m == nil {
		return
	}
	m.answers.WithLabelValues(
		known(endpoint, []string{"authorize", "token", "userinfo", "revoke", "introspect", "logout"}),
		known(grant, []string{"", "authorization_code", "refresh_token"}),
		app, known(outcome, oidcOutcomes())).Inc()
}

// oidcOutcomes returns "ok", "no_token", and the error codes of RFC 6749, 6750, 7009, 9101 and
// OpenID Connect Core that the provider uses.
func oidcOutcomes() []string {
	return []string{"ok", "no_token", "access_denied", "account_selection_required", "consent_required",
		"insufficient_scope", "interaction_required",
		"invalid_client", "invalid_grant", "invalid_request", "invalid_request_object", "invalid_request_uri",
		"invalid_scope", "invalid_token",
		"login_required", "registration_not_supported", "request_not_supported", "request_uri_not_supported", "server_error",
		"slow_down",
		"temporarily_unavailable", "unauthorized_client", "unsupported_grant_type", "unsupported_response_type",
		"unsupported_token_type"}
}

// Relay counts one response in WeChat's protocol: the endpoint, the app ("" = not identified), and
// "ok", an errcode, or the reason of a refusal.
func (m *Metrics) Relay(endpoint, app, outcome string) {
	if m == nil {
		return
	}
	m.relayed.WithLabelValues(known(endpoint, []string{"authorize", "qrconnect", "access_token", "refresh_token",
		"userinfo", "auth"}), app,
		known(outcome, relayOutcomes())).Inc()
}

func relayOutcomes() []string {
	return []string{"ok", "unknown_app", "redirect_uri", "scope", "state", "bad_request", "method_not_allowed",
		"not_signed_in", "refused", "wrong_method", "no_openid", "unavailable",
		"internal", "-1", "40001", "40002", "40003", "40013", "40014", "40029", "40030", "40066", "40125", "40163", "41001",
		"41002", "41003", "41004", "41008",
		"41009", "42001", "43001", "45011", "48001"}
}

func known(value string, values []string) string {
	if slices.Contains(values, value) {
		return value
	}
	return other
}

// result returns the label of one attempt: "ok", an errcode, or a word for the problem of the
// response.
func result(c wechat.Call) string {
	switch {
	case c.Code != 0 && slices.Contains(errcodes(), c.Code):
		return strconv.Itoa(c.Code)
	case c.Code != 0:
		return other
	case c.Err == nil:
		return "ok"
	case errors.Is(c.Err, context.Canceled):
		return "cancelled"
	case errors.Is(c.Err, context.DeadlineExceeded):
		return "timeout"
	}
	for _, shape := range []struct {
		err  error
		name string
	}{
		{wechat.ErrTransport, "no_answer"},
		{wechat.ErrHTTPStatus, "http_status"},
		{wechat.ErrNotJSON, "not_json"},
		{wechat.ErrTruncated, "truncated"},
		{wechat.ErrEmpty, "empty"},
		{wechat.ErrTooLarge, "too_large"},
		{wechat.ErrNoOpenID, "no_openid"},
		{wechat.ErrOtherOpenID, "other_openid"},
		{wechat.ErrNoToken, "no_token"},
	} {
		if errors.Is(c.Err, shape.err) {
			return shape.name
		}
	}
	return other
}

// errcodes returns the codes that WeChat's documentation names for the login endpoints, and those
// that users report there.
func errcodes() []int {
	return []int{-1, 10015, 40001, 40002, 40003, 40013, 40014, 40029, 40030, 40066, 40125, 40163, 40164, 40226, 41001,
		41002, 41003, 41004, 41008, 41009,
		41018, 42001, 42002, 42003, 42007, 43001, 43002, 43003, 45009, 45011, 48001, 48004, 48017, 50001, 50002, 61004, 61007,
		61010}
}
