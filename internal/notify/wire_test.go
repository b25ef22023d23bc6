package notify_test

import (
	"testing"

	"github.com/weigate/weigate/internal/notify"
)

// TestSignatureVectors compares the signatures with those of openssl and of Python's hmac (2026-11-29),
// the last one with the vector of the Standard Webhooks libraries:
//
//	cat /dev/null | openssl dgst -sha256 -hmac "$(printf '1599360473\nthis is secret')" -binary | base64
//	printf '1599360473000\nthis is secret' | openssl dgst -sha256 -hmac 'this is secret' -binary | base64
//
// Feishu and DingTalk exchange key and message, and use seconds and milliseconds.
func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	const secret = "this is secret"
	if got := notify.FeishuSignature("1599360473", secret); got != "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw=" {
		t.Errorf("Feishu: %s", got)
	}
	if got := notify.DingTalkSignature("1599360473000", secret); got != "hXZTWifRGHclNuZSKxoXc//sh51SWfVfRIhcdeKs63I=" {
		t.Errorf("DingTalk: %s", got)
	}
	got := notify.StandardSignature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`),
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("Standard Webhooks: %s", got)
	}
}
