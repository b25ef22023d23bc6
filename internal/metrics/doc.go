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
