package session_test

import (
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// Changed documents must never keep an administrator out who signs in by a link in an emergency.
func TestSessionOfALinkNeedsNoAgreement(t *testing.T) {
	t.Parallel()
	m := session.Manager{Agreement: "present"}
	former := gateway.User{Agreement: gateway.Agreement{Hash: "former"}}
	for method, want := range map[string]bool{gateway.MethodLink: false, gateway.MethodWeChat: true} {
		if m.MustAgree(method, former) != want {
			t.Errorf("%s: want %v", method, want)
		}
	}
}
