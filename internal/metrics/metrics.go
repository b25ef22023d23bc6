// Package metrics counts what the gateway does, for Prometheus.
//
// [New] makes a [Metrics], and [Metrics.Handler] serves the numbers. The other methods count.
// [Metrics.WeChat] is the OnCall hook of a wechat.Client, and [Metrics.Store] the Observe hook of a
// store. [Metrics.Tokens] wraps the store and [Metrics.HTTP] the mux. Package app calls
// [Metrics.OIDC], [Metrics.Relay], [Metrics.ForwardAuth], [Metrics.Limited], [Metrics.SignInBegan]
// and [Metrics.SignInEnded], and passes the state of the gateway to [Metrics.SetState].
//
//	weigate_sign_ins_begun_total{method}           sign-ins sent to WeChat
//	weigate_sign_ins_ended_total{method,outcome}   callbacks; a denial in WeChat usually causes none
//	weigate_wechat_calls_total{endpoint,result}    calls to WeChat; result: ok, an errcode, a problem
//	weigate_wechat_call_seconds{endpoint}
//	weigate_oidc_answers_total{endpoint,grant,app,outcome}
//	weigate_pushes_total{type,outcome}             requests of WeChat's message push (消息推送)
//	weigate_relay_answers_total{endpoint,app,outcome}
//	weigate_forward_auth_answers_total{endpoint,app,outcome}
//	weigate_tokens_issued_total{kind}              codes, access tokens, refresh tokens
//	weigate_store_operations_total{operation,outcome}
//	weigate_store_operation_seconds{operation}
//	weigate_deliveries_total{kind,target,outcome}  attempts to notify administrators and apps
//	weigate_limited_total{limit}                   bounds of package limit that were reached
//	weigate_http_requests_total{route,method,status}
//	weigate_http_request_seconds{route}
//	weigate_certificate_expiry_seconds{source}     Unix time; source: files, acme
//	weigate_certificate_problems_total{source,code}
//	weigate_clock_seconds                          the time of the gateway's clock
//	weigate_signing_key_active_since_seconds{alg}  when the signing key in use began to sign
//
// In the names, "answers" means responses. The Prometheus client library adds the metrics of the
// process and of the Go runtime.
//
// Prometheus cannot see the first increment of a series that did not exist before: the series
// begins at 1. [New] therefore creates the series of the outcomes that alerts watch, with the value
// 0.
//
// Every label has few values, since each combination of values is a time series in Prometheus. This
// package has lists of the known values. A value from a request that is not in its list counts as
// "other", so clients cannot create time series. No label contains an openid, a user id or a
// secret. All methods may be called on a nil *Metrics, and then do nothing.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
)

// Metrics has the counters of the gateway. Make it with [New]; a nil *Metrics counts nothing. It is
// safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	names    []string // of all metrics, with their labels: "weigate_limited_total{limit}"

	signInsBegun        *prometheus.CounterVec
	signInsEnded        *prometheus.CounterVec
	wechatCalls         *prometheus.CounterVec
	wechatTime          *prometheus.HistogramVec
	oidcResponses       *prometheus.CounterVec
	relayed             *prometheus.CounterVec
	forwardAuth         *prometheus.CounterVec
	pushes              *prometheus.CounterVec
	tokens              *prometheus.CounterVec
	storeCalls          *prometheus.CounterVec
	storeTime           *prometheus.HistogramVec
	limited             *prometheus.CounterVec
	deliveries          *prometheus.CounterVec
	requests            *prometheus.CounterVec
	requestTime         *prometheus.HistogramVec
	certificateExpiry   *prometheus.GaugeVec
	certificateProblems *prometheus.CounterVec
	state               *stateCollector
}

// other replaces the value of a label that is not in the list of known values.
const other = "other"

// New returns a Metrics with the collectors of the process and of the Go runtime.
func New() *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var names []string
	addName := func(name string, labels []string) {
		list := ""
		if len(labels) > 0 {
			list = "{" + strings.Join(labels, ",") + "}"
		}
		names = append(names, "weigate_"+name+list)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		addName(name, labels)
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weigate_" + name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		addName(name, labels)
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weigate_" + name, Help: help, Buckets: buckets},
			labels)
		registry.MustRegister(h)
		return h
	}
	storeBuckets := []float64{.0005, .002, .01, .05, .25, 1, 5}       // seconds
	networkBuckets := []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10} // seconds
	m := &Metrics{
		registry: registry,
		pushes:   counter("pushes_total", "Messages and events that WeChat pushed.", "type", "outcome"),

		signInsBegun: counter("sign_ins_begun_total", "Sign-ins sent to WeChat. A denial never comes back.", "method"),
		signInsEnded: counter("sign_ins_ended_total", "Sign-ins that came back, by outcome.", "method", "outcome"),
		wechatCalls: counter("wechat_calls_total",
			"Attempts of calls to WeChat, by errcode or by the problem of the response.", "endpoint", "result"),
		wechatTime: histogram("wechat_call_seconds", "Duration of one attempt of a call to WeChat.", networkBuckets,
			"endpoint"),
		oidcResponses: counter("oidc_answers_total", "Responses to OpenID Connect clients.",
			"endpoint", "grant", "app", "outcome"),
		relayed: counter("relay_answers_total",
			"Responses in WeChat's protocol, by errcode or by the reason of a refusal.", "endpoint", "app", "outcome"),
		forwardAuth: counter("forward_auth_answers_total",
			"Responses to reverse proxies, and steps of sign-ins on their hosts.", "endpoint", "app", "outcome"),
		tokens:     counter("tokens_issued_total", "Codes and tokens issued to apps.", "kind"),
		storeCalls: counter("store_operations_total", "Operations of the store.", "operation", "outcome"),
		storeTime: histogram("store_operation_seconds", "Duration of one operation of the store.", storeBuckets,
			"operation"),
		deliveries: counter("deliveries_total", "Attempts to send a notice or a logout token.",
			"kind", "target", "outcome"),
		limited: counter("limited_total",
			"Requests and other events beyond a limit, by the name of the limit.", "limit"),
		requests:    counter("http_requests_total", "HTTP requests by route.", "route", "method", "status"),
		requestTime: histogram("http_request_seconds", "Duration of an HTTP request.", networkBuckets, "route"),
		certificateExpiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weigate_certificate_expiry_seconds",
			Help: "Unix time at which the gateway's certificate expires."}, []string{"source"}),
		certificateProblems: counter("certificate_problems_total", "Problems with the gateway's certificate.",
			"source", "code"),
	}
	registry.MustRegister(m.certificateExpiry)
	addName("certificate_expiry_seconds", []string{"source"})
	addName("clock_seconds", nil)
	addName("signing_key_active_since_seconds", []string{"alg"})
	m.state = newStateCollector()
	registry.MustRegister(m.state)
	m.names = names
	m.createSeries()
	return m
}

// createSeries creates the series that alerts watch, with the value 0.
func (m *Metrics) createSeries() {
	for _, method := range methods() {
		m.signInsBegun.WithLabelValues(method)
		for _, outcome := range signInOutcomes() {
			m.signInsEnded.WithLabelValues(method, outcome)
		}
	}
	for _, endpoint := range []string{"access_token", "userinfo"} {
		for _, code := range errcodes() {
			m.wechatCalls.WithLabelValues(endpoint, strconv.Itoa(code))
		}
		for _, result := range []string{"ok", "timeout", other} {
			m.wechatCalls.WithLabelValues(endpoint, result)
		}
		for _, problem := range callProblems() {
			m.wechatCalls.WithLabelValues(endpoint, problem.name)
		}
	}
	for _, outcome := range append(storeErrors(), namedError{name: "ok"}, namedError{name: other}) {
		m.storeCalls.WithLabelValues("append_events", outcome.name)
	}
}

// Handler serves the metrics in the format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// SignInBegan counts a browser that was redirected to WeChat, by sign-in method.
func (m *Metrics) SignInBegan(method string) {
	if m != nil {
		m.signInsBegun.WithLabelValues(known(method, methods())).Inc()
	}
}

// SignInEnded counts a callback from WeChat, by sign-in method and outcome.
func (m *Metrics) SignInEnded(method, outcome string) {
	if m != nil {
		m.signInsEnded.WithLabelValues(known(method, methods()), known(outcome, signInOutcomes())).Inc()
	}
}

func methods() []string { return []string{"wechat", "scan", "website", "message", "follow"} }

// signInOutcomes returns the outcomes that package flow defines, and "wrong_number" of package
// scan: the user typed a wrong number on the phone.
func signInOutcomes() []string {
	return []string{"signed_in", "denied", "refused", "snapshot", "user_restricted", "code_refused", "gave_up", "busy",
		"rate_limited", "store_full", "unavailable", "fault", "wrong_number", "wrong_code", "consent_missing",
		"agreement_missing", "suspect"}
}

// WeChat counts one attempt of a call to WeChat. A call makes one or two HTTP requests, its
// attempts. WeChat is the OnCall hook of a wechat.Client.
func (m *Metrics) WeChat(_ context.Context, c wechat.Call) {
	if m == nil {
		return
	}
	endpoint := known(c.Endpoint, []string{"access_token", "refresh_token", "userinfo", "auth", "stable_token",
		"qrcode", "account_user"})
	m.wechatCalls.WithLabelValues(endpoint, callResult(c)).Inc()
	m.wechatTime.WithLabelValues(endpoint).Observe(c.Duration.Seconds())
}

// callResult returns the value of the label "result": "ok", an errcode of WeChat, or the name of
// the problem with the response.
func callResult(c wechat.Call) string {
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
	return nameOf(c.Err, callProblems())
}

// callProblems returns the problems of responses that are not an errcode.
func callProblems() []namedError {
	return []namedError{
		{wechat.ErrTransport, "no_answer"},
		{wechat.ErrHTTPStatus, "http_status"},
		{wechat.ErrNotJSON, "not_json"},
		{wechat.ErrTruncated, "truncated"},
		{wechat.ErrEmpty, "empty"},
		{wechat.ErrTooLarge, "too_large"},
		{wechat.ErrNoOpenID, "no_openid"},
		{wechat.ErrOtherOpenID, "other_openid"},
		{wechat.ErrNoToken, "no_token"},
	}
}

// namedError is an error with its value in a label.
type namedError struct {
	err  error
	name string
}

// nameOf returns the name of the first error in the list that err matches (errors.Is), or "other".
func nameOf(err error, list []namedError) string {
	for _, each := range list {
		if errors.Is(err, each.err) {
			return each.name
		}
	}
	return other
}

// errcodes returns WeChat's error codes at the login endpoints. Some are documented, and users have
// reported the others.
func errcodes() []int {
	return []int{-1, 10015, 40001, 40002, 40003, 40013, 40014, 40029, 40030, 40066, 40125, 40163, 40164, 40226, 41001,
		41002, 41003, 41004, 41008, 41009, 41018, 42001, 42002, 42003, 42007, 43001, 43002, 43003, 45009, 45011, 48001,
		48004, 48017, 50001, 50002, 61004, 61007, 61010}
}

// OIDC counts one response to an OpenID Connect client:
//   - grantType is the grant_type at the token endpoint, and "" at all other endpoints.
//   - app is the id of a configured app, or "" if the request identified none. It is not compared
//     with a list here, because the configuration limits its values.
//   - outcome is "ok", an error code, or "no_token": a request to the userinfo endpoint without an
//     access token.
func (m *Metrics) OIDC(endpoint, grantType, app, outcome string) {
	if m == nil {
		return
	}
	m.oidcResponses.WithLabelValues(
		known(endpoint, []string{"authorize", "token", "userinfo", "revoke", "introspect", "logout"}),
		known(grantType, []string{"", "authorization_code", "refresh_token"}),
		app, known(outcome, oidcOutcomes())).Inc()
}

// oidcOutcomes returns "ok", "no_token", and the error codes of RFC 6749, 6750, 7009, 9101 and
// OpenID Connect Core that the provider uses.
func oidcOutcomes() []string {
	return []string{"ok", "no_token", "access_denied", "account_selection_required", "consent_required",
		"insufficient_scope", "interaction_required", "invalid_client", "invalid_grant", "invalid_request",
		"invalid_request_object", "invalid_request_uri", "invalid_scope", "invalid_token", "login_required",
		"registration_not_supported", "request_not_supported", "request_uri_not_supported", "server_error",
		"slow_down", "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type",
		"unsupported_response_type", "unsupported_token_type"}
}

// Relay counts one response of package relay, which serves WeChat's protocol. app is the id of a
// configured app, or "" if the request identified none. outcome is "ok", an errcode, or the kind of
// the error page.
func (m *Metrics) Relay(endpoint, app, outcome string) {
	if m == nil {
		return
	}
	endpoints := []string{"authorize", "qrconnect", "access_token", "refresh_token", "userinfo", "auth", "global"}
	m.relayed.WithLabelValues(known(endpoint, endpoints), app, known(outcome, relayOutcomes())).Inc()
}

func relayOutcomes() []string {
	return []string{"ok", "unknown_app", "redirect_uri", "scope", "state", "bad_request", "method_not_allowed",
		"parameter_name", "not_signed_in", "refused", "blocked", "wrong_method", "no_openid", "busy", "fault",
		"-1", "40001", "40002", "40003", "40013", "40014", "40029", "40030", "40066", "40125", "40163", "41001",
		"41002",
		"41003", "41004", "41008", "41009", "42001", "43001", "45011", "48001"}
}

// Push counts one request of WeChat's message push, by Event.Type and Event.Outcome of package
// push.
func (m *Metrics) Push(kind, outcome string) {
	if m == nil {
		return
	}
	kinds := []string{"", "text", "image", "voice", "video", "shortvideo", "location", "link", "subscribe", "unsubscribe",
		"scan", "click", "view", "user_authorization_revoke", "user_authorization_cancellation", "user_info_modified"}
	outcomes := []string{"checked", "handled", "repeated", "timeout", "failed", "ignored", "refused"}
	m.pushes.WithLabelValues(known(kind, kinds), known(outcome, outcomes)).Inc()
}

// ForwardAuth counts one response of package forwardauth. app is the id of a configured app, or ""
// if the request identified none. outcome is "ok", another result such as "sign_in", or the kind of
// the error page.
func (m *Metrics) ForwardAuth(endpoint, app, outcome string) {
	if m == nil {
		return
	}
	m.forwardAuth.WithLabelValues(known(endpoint, []string{"verify", "forward-auth", "finish"}), app,
		known(outcome, forwardAuthOutcomes())).Inc()
}

func forwardAuthOutcomes() []string {
	return []string{"ok", "preflight", "sign_in", "not_signed_in", "waiting", "profile", "refused", "blocked",
		"wrong_method", "no_openid", "no_unionid", "subject_taken", "unknown_host", "bad_request",
		"token_not_for_this_browser", "token_expired_or_spent", "denied", "busy", "fault"}
}

// Delivery counts one attempt to send something. target is the id of an app or the name of an entry
// below notify, so the configuration limits its values.
func (m *Metrics) Delivery(kind gateway.DeliveryKind, target, outcome string) {
	if m != nil {
		m.deliveries.WithLabelValues(string(kind), target, outcome).Inc()
	}
}

// Certificate records when the certificate of the gateway expires. source is "files" or "acme".
func (m *Metrics) Certificate(source string, expires time.Time) {
	if m != nil {
		m.certificateExpiry.WithLabelValues(source).Set(float64(expires.Unix()))
	}
}

// CertificateProblem counts a problem with the certificate of the gateway, by a code of package
// certificate.
func (m *Metrics) CertificateProblem(source, code string) {
	if m != nil {
		m.certificateProblems.WithLabelValues(source, code).Inc()
	}
}

// Limited counts an event that a bound of package limit refused. name is the name of the bound.
func (m *Metrics) Limited(name string) {
	if m != nil {
		m.limited.WithLabelValues(name).Inc()
	}
}

// known returns value if it is in the list of values, otherwise "other".
func known(value string, values []string) string {
	if slices.Contains(values, value) {
		return value
	}
	return other
}
