package monitoring

// ruleCase has time series for one rule. The values of a counter grow each minute.
type ruleCase struct {
	alert        string
	also         []string // alerts that fire with the same series
	fires, quiet []series
}

// counter returns a series of a counter that grows by a step at each minute.
func counter(name, labels, step string) series {
	return series{name + `{job="weigate",instance="a",` + labels + `}`, "0+" + step + "x100"}
}

// once returns a series of a counter that changes once, after 13 minutes.
func once(name, labels string) series {
	return series{name + `{job="weigate",instance="a",` + labels + `}`, "0x12 1x20"}
}

// appears returns a series that exists since its first count, after 13 minutes.
func appears(name, labels string) series {
	return series{name + `{job="weigate",instance="a",` + labels + `}`, "_x12 1x20"}
}

func call(endpoint, result string) string {
	return `endpoint="` + endpoint + `",result="` + result + `"`
}

const (
	calls       = "weigate_wechat_calls_total"
	ended       = "weigate_sign_ins_ended_total"
	begun       = "weigate_sign_ins_begun_total"
	operations  = "weigate_store_operations_total"
	limited     = "weigate_limited_total"
	requests    = "weigate_http_requests_total"
	certificate = `weigate_certificate_expiry_seconds{job="weigate",instance="a",source="acme"}`
	signingKey  = `weigate_signing_key_active_since_seconds{job="weigate",instance="a",alg="RS256"}`
)

func ruleCases() []ruleCase {
	all := processCases()
	all = append(all, wechatCases()...)
	all = append(all, signInCases()...)
	all = append(all, storeCases()...)
	return append(all, requestCases()...)
}

func processCases() []ruleCase {
	gauge := func(name, values string) series {
		return series{name + `{job="weigate",instance="a"}`, values}
	}
	return []ruleCase{
		{alert: "WeigateDown", fires: []series{{up.Series, "1x10 0x30"}}, quiet: []series{{up.Series, "1x14 0x20"}}},
		{alert: "WeigateAbsent", fires: []series{{`up{job="node",instance="a"}`, "1x100"}}},
		{alert: "WeigateRestarting",
			fires: []series{gauge("process_start_time_seconds", "0x6 100 200 300 400 400x30")},
			quiet: []series{gauge("process_start_time_seconds", "0x6 100 200 200x30")}},
		{alert: "WeigateFileDescriptors",
			fires: []series{gauge("process_open_fds", "900x100"), gauge("process_max_fds", "1024x100")},
			quiet: []series{gauge("process_open_fds", "700x100"), gauge("process_max_fds", "1024x100")}},
		// The samples of promtool begin at the Unix time 0, with one each minute.
		{alert: "WeigateClockWrong", fires: []series{gauge("weigate_clock_seconds", "45+60x100")},
			quiet: []series{gauge("weigate_clock_seconds", "-20+60x100")}},
		{alert: "WeigateSigningKeyOld",
			fires: []series{{signingKey, "-8300000x100"}},
			quiet: []series{{signingKey, "-7800000x100"}}},
		{alert: "WeigateCertificateExpires",
			fires: []series{{certificate, "800000x100"}}, quiet: []series{{certificate, "900000x100"}}},
		{alert: "WeigateCertificateProblem",
			fires: []series{appears("weigate_certificate_problems_total", `source="files",code="not_loaded"`)},
			quiet: []series{counter("weigate_certificate_problems_total", `source="files",code="not_loaded"`, "0")}},
	}
}

func wechatCases() []ruleCase {
	slow := func(le2, inf string) []series {
		return []series{
			counter("weigate_wechat_call_seconds_bucket", `endpoint="access_token",le="0.25"`, le2),
			counter("weigate_wechat_call_seconds_bucket", `endpoint="access_token",le="2.5"`, le2),
			counter("weigate_wechat_call_seconds_bucket", `endpoint="access_token",le="5"`, inf),
			counter("weigate_wechat_call_seconds_bucket", `endpoint="access_token",le="+Inf"`, inf),
		}
	}
	return []ruleCase{
		{alert: "WeigateAddressNotAllowed", fires: []series{once(calls, call("access_token", "40164"))},
			quiet: []series{once(calls, call("access_token", "40029"))}},
		{alert: "WeigateSecretWrong",
			fires: []series{once(calls, call("access_token", "40125")), counter(calls, call("access_token", "40001"), "0")},
			// At userinfo, 40001 is about the token of one user.
			quiet: []series{once(calls, call("userinfo", "40001")), counter(calls, call("access_token", "40125"), "0")}},
		{alert: "WeigateAccountRejected", fires: []series{once(calls, call("access_token", "40013"))},
			quiet: []series{once(calls, call("access_token", "40163"))}},
		{alert: "WeigateQuotaExceeded", fires: []series{once(calls, call("access_token", "45009"))},
			quiet: []series{once(calls, call("access_token", "50001"))}},
		{alert: "WeigateWeChatFailing",
			fires: []series{counter(calls, call("access_token", "no_answer"), "1"),
				counter(calls, call("access_token", "ok"), "2")},
			quiet: []series{counter(calls, call("access_token", "timeout"), "1"),
				counter(calls, call("access_token", "ok"), "9")}},
		{alert: "WeigateWeChatSlow", fires: slow("8", "10"), quiet: slow("98", "100")},
	}
}

func signInCases() []ruleCase {
	return []ruleCase{
		{alert: "WeigateNobodySignsIn",
			fires: []series{counter(begun, `method="website"`, "1"),
				counter(ended, `method="website",outcome="signed_in"`, "0")},
			quiet: []series{counter(begun, `method="website"`, "0.2"),
				counter(ended, `method="website",outcome="denied"`, "1")}},
		{alert: "WeigateSignInsNotFinished",
			fires: []series{counter(begun, `method="scan"`, "10"), counter(ended, `method="scan",outcome="signed_in"`, "2")},
			quiet: []series{counter(begun, `method="scan"`, "10"), counter(ended, `method="scan",outcome="signed_in"`, "4")}},
		{alert: "WeigateSignInFaults", fires: []series{once(ended, `method="wechat",outcome="fault"`)},
			quiet: []series{once(ended, `method="wechat",outcome="denied"`)}},
		{alert: "WeigateSignInsTurnedAway", fires: []series{once(ended, `method="scan",outcome="store_full"`)},
			quiet: []series{once(ended, `method="scan",outcome="wrong_number"`)}},
		{alert: "WeigateAppSecretWrong",
			fires: []series{counter("weigate_oidc_answers_total",
				`endpoint="token",grant="authorization_code",app="wiki",outcome="invalid_client"`, "1")},
			// Anybody can send requests for an app that does not exist.
			quiet: []series{counter("weigate_oidc_answers_total",
				`endpoint="token",grant="authorization_code",app="",outcome="invalid_client"`, "1"),
				counter("weigate_relay_answers_total", `endpoint="access_token",app="shop",outcome="40125"`, "0.1")}},
		{alert: "WeigateReplay", fires: []series{counter(operations, `operation="redeem",outcome="replay"`, "0.5")},
			quiet: []series{counter(operations, `operation="redeem",outcome="replay"`, "0.1")}},
	}
}

func storeCases() []ruleCase {
	slow := func(operation, fast, all string) []series {
		return []series{
			counter("weigate_store_operation_seconds_bucket", `operation="`+operation+`",le="0.25"`, fast),
			counter("weigate_store_operation_seconds_bucket", `operation="`+operation+`",le="1"`, all),
			counter("weigate_store_operation_seconds_bucket", `operation="`+operation+`",le="+Inf"`, all),
		}
	}
	return []ruleCase{
		{alert: "WeigateStoreUnavailable",
			fires: []series{counter(operations, `operation="session",outcome="unavailable"`, "1")},
			quiet: []series{once(operations, `operation="session",outcome="unavailable"`),
				counter(operations, `operation="session",outcome="not_found"`, "1")}},
		{alert: "WeigateStoreSlow", fires: slow("session", "8", "10"), quiet: slow("sweep", "8", "10")},
		{alert: "WeigateEventsNotStored",
			fires: []series{once(operations, `operation="append_events",outcome="unavailable"`)},
			quiet: []series{once(operations, `operation="append_events",outcome="cancelled"`)}},
	}
}

func requestCases() []ruleCase {
	const deliveries = "weigate_deliveries_total"
	slow := func(route, fast, all string) []series {
		return []series{
			counter("weigate_http_request_seconds_bucket", `route="`+route+`",le="5"`, fast),
			counter("weigate_http_request_seconds_bucket", `route="`+route+`",le="10"`, all),
			counter("weigate_http_request_seconds_bucket", `route="`+route+`",le="+Inf"`, all),
		}
	}
	return []ruleCase{
		{alert: "WeigateServerErrors",
			fires: []series{counter(requests, `route="/oauth2/token",method="POST",status="500"`, "1")},
			quiet: []series{counter(requests, `route="/oauth2/token",method="POST",status="400"`, "1")}},
		// The pages of scan and chat wait for the phone.
		{alert: "WeigateSlow", fires: slow("/oauth2/token", "8", "10"),
			quiet: append(slow("/scan/state", "1", "10"), slow("/chat/state", "1", "10")...)},
		{alert: "WeigateLimitReached", fires: []series{counter(limited, `limit="sign_in_address"`, "20")},
			quiet: []series{counter(limited, `limit="sign_in_address"`, "2")}},
		{alert: "WeigateCapacityReached", fires: []series{appears(limited, `limit="connections"`)},
			quiet: []series{appears(limited, `limit="wrong_secrets"`)}},
		{alert: "WeigateDeliveriesGivenUp",
			fires: []series{appears(deliveries, `kind="logout",target="wiki",outcome="given_up"`)},
			quiet: []series{counter(deliveries, `kind="logout",target="wiki",outcome="retry"`, "1")}},
	}
}
