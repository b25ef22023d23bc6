package resilience_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// verifier is the app's copy of the gateway's keys. Like any relying party it caches the key set,
// and fetches it again for an unknown key.
type verifier struct {
	mu   sync.Mutex
	keys jose.JSONWebKeySet
	used map[string]int // signatures by key
}

// keySet fetches the key set at base.
func (p *user) keySet(ctx context.Context, base string) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	a, err := p.get(ctx, base+"/oauth2/jwks")
	if err != nil {
		return set, err
	}
	if a.status != http.StatusOK {
		return set, fmt.Errorf("key set: %s", a)
	}
	return set, json.Unmarshal([]byte(a.body), &set)
}

// verify checks an ID token and returns its subject.
func (w *clusterFixture) verify(ctx context.Context, p *user, token string) (subject string, err error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return "", fmt.Errorf("ID token: %w", err)
	}
	kid := jws.Signatures[0].Protected.KeyID
	v := &w.verifier
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys.Key(kid)) == 0 {
		if v.keys, err = p.keySet(ctx, w.proxy.url); err != nil {
			return "", err
		}
	}
	known := v.keys.Key(kid)
	if len(known) == 0 {
		return "", fmt.Errorf("the ID token is signed with %s, which the gateway does not publish", kid)
	}
	payload, err := jws.Verify(known[0])
	if err != nil {
		return "", fmt.Errorf("ID token: %w", err)
	}
	var claims struct {
		Iss, Sub, Aud, Nonce string
		Exp                  int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", fmt.Errorf("ID token: %w", err)
	}
	if claims.Iss != w.proxy.url || claims.Aud != appID || claims.Nonce != "n1" || claims.Exp <= time.Now().Unix() {
		return "", fmt.Errorf("ID token with the claims %+v", claims)
	}
	if v.used == nil {
		v.used = map[string]int{}
	}
	v.used[kid]++
	return claims.Sub, nil
}
