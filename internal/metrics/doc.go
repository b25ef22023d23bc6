// Package metrics counts what the gateway does, for Prometheus.
//
// [New] makes a [Metrics]; [Metrics.Handler] is what Prometheus reads. The other methods are hooks for the composition root:
// [Metrics.WeChat] is a wechat.Client's Observe, [Metrics.OIDC] hears of answers to apps, [Metrics.Store] wraps the store, [Metrics.HTTP] wraps the mux,
// [Metrics.SignInBegan] and [Metrics.SignInEnded] are told of sign-ins.
//
//	weigate_sign_ins_begun_total{door}             sent to WeChat; a denial never comes back, so begun minus ended tells of those
//	weigate_sign_ins_ended_total{door,outcome}     came back
//	weigate_wechat_calls_total{endpoint,result}    calls to WeChat by errcode; WeChat answers errors with status 200
//	weigate_wechat_call_seconds{endpoint}
//	weigate_oidc_answers_total{endpoint,grant,app,outcome}
//	weigate_relay_answers_total{endpoint,app,outcome}
//	weigate_tokens_issued_total{kind}              codes, access tokens, refresh tokens
//	weigate_store_operations_total{operation,outcome}
//	weigate_store_operation_seconds{operation}
//	weigate_http_requests_total{route,method,status}
//	weigate_http_request_seconds{route}
//
// The metrics of the process and of Go's runtime have the names that Prometheus' own client gives them. The text format is written here: that client
// would be a tenth of the program, nearly all of it for forms that nobody asks us for. A test compares the two, line by line.
//
// Every label has few values: what is not in a table here counts as "other", so that no visitor can make time series. No label holds an openid, an
// account or a secret. All methods work on a nil *Metrics and then do nothing.
package metrics
