package forwardauth

import (
	"encoding/json"
	"time"

	"github.com/weigate/weigate/internal/keys"
)

const (
	assertionLife  = 55 * time.Second // after signing
	assertionEarly = 5 * time.Second  // for sites whose clock is behind
	assertionFresh = 35 * time.Second // how long an assertion is reused
)

// claims are the claims of an assertion.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Name     string   `json:"name,omitempty"`
	Groups   []string `json:"groups"`
	WeChat   identity `json:"wechat"`
	Issued   int64    `json:"iat,omitempty"`
	NotYet   int64    `json:"nbf,omitempty"`
	Expires  int64    `json:"exp,omitempty"`
}

type identity struct {
	AppID   string `json:"appid"`
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid,omitempty"`
}

// signAssertion signs a JWT with the identity of the user, which sites verify with the keys of the
// gateway's JWKS. One signature serves all requests of the next half minute while its claims stay
// the same. The algorithm is ES256, since an RS256 signature takes forty times as long.
func (h *Handler) signAssertion(v *decision, s *site, c claims, before *decision, now time.Time) error {
	c.Issuer, c.Audience = h.cfg.URL, s.app.ID
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	v.claims = string(text)
	if before != nil && before.claims == v.claims && now.Before(before.renew) {
		v.assertion, v.renew = before.assertion, before.renew
		return nil
	}
	c.Issued, c.NotYet = now.Add(-assertionEarly).Unix(), now.Add(-assertionEarly).Unix()
	c.Expires = now.Add(assertionLife).Unix()
	if text, err = json.Marshal(c); err != nil {
		return err
	}
	signed, err := h.cfg.Keys.Sign(keys.ES256, keys.TypeAssertion, text)
	v.assertion, v.renew = value(signed), now.Add(assertionFresh)
	return err
}
