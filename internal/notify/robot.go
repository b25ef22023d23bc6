package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/outgoing"
)

// This file decides from the response of a receiver whether a message was accepted. The error codes
// come from the documents of the platforms and from public threads, as of 2026-11-29.

// rateLimits are the error codes for too many messages, with the pause before the next message.
// DingTalk rejects messages for ten minutes.
var rateLimits = map[string]map[int]time.Duration{
	WeCom:    {45009: 5 * time.Minute},
	Feishu:   {11232: 2 * time.Minute, 11233: 2 * time.Minute},
	DingTalk: {130101: 11 * time.Minute, 410100: 11 * time.Minute},
}

// permanent are the error codes of a wrong address, setting or content: the next attempt would fail
// in the same way.
var permanent = map[string]map[int]bool{
	WeCom: {
		93000: true, // the address is wrong, or the robot was removed
		93004: true, // the robot was switched off
		93008: true, // the robot is not in the group
		40008: true, // the message type is unknown
		40058: true, // the message is too long: dromara/domain-admin#82
		44004: true, // the message is empty
		47001: true, // the body is not JSON
	},
	Feishu: {
		9499:  true, // malformed
		10002: true, // empty: InfinityPacer/MoviePilot-Plugins#162
		19001: true, // the address is wrong
		19002: true, // malformed
		19021: true, // the signature is wrong, or the clock: feiyu563/PrometheusAlert#422
		19022: true, // the gateway's address is not on the allow-list of the robot
		19024: true, // the keyword is missing
		11246: true, // the content is malformed
	},
	DingTalk: {
		310000: true,               // the signature, the keyword or the address is wrong
		300001: true, 300005: true, // the address is wrong
		400101: true, 400102: true, // the address is wrong, or the robot was switched off
		400013: true,                             // the group was dissolved
		40035:  true, 400105: true, 430103: true, // malformed
	},
}

// checkResponse returns an error if a receiver did not accept a message, with the error code or
// HTTP status. The text of the error has no other part of the response.
func checkResponse(kind string, r outgoing.Response) (code string, err error) {
	switch {
	case r.Status < 200 || r.Status > 299:
		return statusError(kind, r)
	case kind == JSON || kind == Slack:
		return "", nil
	}
	// The platforms respond with HTTP 200 to errors too.
	var body struct {
		Errcode    *int `json:"errcode"`    // WeCom, DingTalk
		Code       *int `json:"code"`       // Feishu
		StatusCode *int `json:"StatusCode"` // Feishu, older responses
	}
	_ = json.Unmarshal(r.Body, &body) // if the body is not JSON, all fields stay nil
	number := body.Errcode
	if kind == Feishu {
		number = cmp.Or(body.Code, body.StatusCode)
	}
	switch {
	case number == nil: // not JSON, or without an error code: perhaps the page of a firewall or of a proxy
		return "not_platform", &delivery.Error{Text: kind + ": the response is not from the platform"}
	case *number == 0:
		return "", nil
	}
	code = strconv.Itoa(*number)
	return code, &delivery.Error{
		Text: kind + " " + code, Permanent: permanent[kind][*number], After: rateLimits[kind][*number],
	}
}

// statusError returns the error for a status other than 2xx. Redirects are not followed.
func statusError(kind string, r outgoing.Response) (code string, err error) {
	code = strconv.Itoa(r.Status)
	failure := &delivery.Error{Text: fmt.Sprintf("%s: HTTP status %d", kind, r.Status)}
	switch {
	case r.Status == http.StatusTooManyRequests:
		failure.After = retryAfter(r.Header)
	case r.Status == http.StatusGone:
		failure.Permanent = true
	case r.Status == http.StatusRequestTimeout || kind == JSON:
		// Not permanent: a receiver of signed JSON may respond with any status while it is broken.
	case r.Status >= 400 && r.Status < 500:
		failure.Permanent = true
	}
	return code, failure
}

// retryAfter returns the pause that a receiver requires, between a minute and an hour. Without a
// valid header, it returns a minute.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || seconds < 0 || seconds > 3600 {
		seconds = 60
	}
	return max(time.Duration(seconds)*time.Second, time.Minute)
}
