package forwardauth

import (
	"net/http"
	"strconv"

	"github.com/weigate/weigate/internal/keys"
)

// keySetCache is how long a site may cache the key set, in seconds. A new key is published for a
// much longer time before it signs, so no site misses it.
const keySetCache = 600

// serveKeySet serves the public keys that verify assertions (signed JWTs with the user's identity).
// They are not in the key set for OpenID Connect: some OpenID Connect clients reject a set with a
// key of an unknown type (nextcloud/user_oidc#1231, envoyproxy/envoy#9426).
func (h *Handler) serveKeySet(w http.ResponseWriter, r *http.Request) {
	keySet, err := h.cfg.Keys.JWKS(r.Context(), keys.ES256)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(keySetCache))
	_, _ = w.Write(keySet) // a client that has disconnected is not an error
}
