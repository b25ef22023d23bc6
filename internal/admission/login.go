package admission

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// loginRequestLifetime is how long after its sign-in a login request counts as answered.
const loginRequestLifetime = 10 * time.Minute

const requestHashSize = 22 // 128 bits in base64url

// NewLoginRequestID returns a random id for a sign-in. request is the address of the request that
// needs it, without any id. The id contains a hash of the request, so that a sign-in for one
// request does not answer another: an app that requires a new authentication does not accept one
// that another app requested.
func NewLoginRequestID(request string) string { return rand.Text() + requestHash(request) }

func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SetSession sets the facts about the session of a signed-in browser. request is the address of the
// request for the app, and id the login request id that came with it ("" = none).
func (f *Facts) SetSession(s session.Browser, app gateway.App, request, id string, now time.Time) {
	f.SignedIn, f.MethodAllowed = true, MethodAllowed(app, s.Method)
	f.Answered = len(id) > requestHashSize && strings.HasSuffix(id, requestHash(request)) && s.LoginRequestID == id &&
		now.Sub(s.AuthTime) < loginRequestLifetime
}

// MethodAllowed reports whether an app accepts a sign-in method.
func MethodAllowed(app gateway.App, method string) bool {
	return len(app.Methods) == 0 || slices.Contains(app.Methods, method)
}
