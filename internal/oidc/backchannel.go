package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/outgoing"
)

// This file notifies apps that a user's session has ended (OpenID Connect Back-Channel Logout 1.0).
//
// When an app gets a code, the store records the app with the session. When the session ends, for any
// reason, the same transaction turns the record into a delivery. So a crash loses no notification, and
// no user waits for an app. Package delivery sends the deliveries with a [LogoutSender].

// EventLogoutNotDelivered is the kind of the event that an app did not accept a logout token: several
// attempts failed, or the app refused the token.
const EventLogoutNotDelivered = "logout_not_delivered"

// logoutEvent is the one member of the claim events in a logout token. Its value is an empty object.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutTokenLifetime is the time between the claims iat and exp of a logout token. Section 2.4 of the
// specification recommends at most two minutes. Apps with clocks that differ by up to a minute still
// accept the token.
const logoutTokenLifetime = 2 * time.Minute

// sessionID returns the claim sid, by which an app recognizes a session. It returns "" for a grant
// without session. first is the hash that the session had at its first sign-in (Session.First). All ID
// tokens of an app from one session have the same sid, also after a refresh and after the user signed
// in again. Two apps get different values for one session. Nobody can find the session by its sid,
// because first is the hash of 256 random bits.
func sessionID(app string, first [32]byte) string {
	if first == ([32]byte{}) {
		return ""
	}
	sum := sha256.Sum256(append([]byte("weigate oidc sid\x00"+app+"\x00"), first[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// checkBackchannelLogoutURI checks the address to which logout tokens are sent (section 2.2).
func (c *Client) checkBackchannelLogoutURI() error {
	if c.BackchannelLogoutURI == "" {
		return nil
	}
	u, err := url.Parse(c.BackchannelLogoutURI)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be a complete URL")
	case u.User != nil || strings.Contains(c.BackchannelLogoutURI, "#"):
		return errors.New("must not have a user name, a password or a fragment")
	}
	return nil
}

// LogoutSender sends logout tokens to apps. Every field is required. It is safe for concurrent use.
type LogoutSender struct {
	Issuer   string           // Config.Issuer
	Clients  func() *Registry // the current apps
	Keys     *keys.Set        // signs logout tokens
	Outgoing *outgoing.Client // its policy decides whether apps may have private addresses
	Now      func() time.Time
}

// Errors of Send that another attempt would not change.
var (
	// ErrNoLogoutAddress means that the app was removed from the configuration, or has no
	// BackchannelLogoutURI any more.
	ErrNoLogoutAddress = errors.New("the configuration has no backchannel_logout_uri for this app any more")
	// ErrLogoutRefused means that the app has answered that the token is invalid, or that it could not
	// sign the user out.
	ErrLogoutRefused = errors.New("the app refused the logout token")
	// ErrLogoutRedirected means that the app redirects the request. Redirects are not followed, since
	// they could lead to any address.
	ErrLogoutRedirected = errors.New("the app answered with a redirect, which is not followed")
)

// IsFinal reports whether another attempt would fail with the same error of Send.
func IsFinal(err error) bool {
	return errors.Is(err, ErrNoLogoutAddress) || errors.Is(err, ErrLogoutRefused) || errors.Is(err, ErrLogoutRedirected)
}

// Send signs a new logout token for a delivery and sends it to the app. It returns nil when the app
// responds with any status 2xx: some frameworks replace 200 by 204 (section 2.8). The text of an error
// is for administrators. See [IsFinal].
func (s LogoutSender) Send(ctx context.Context, d gateway.Delivery) error {
	client := s.Clients().byID[d.Target]
	if client == nil || client.BackchannelLogoutURI == "" {
		return ErrNoLogoutAddress
	}
	token, err := s.token(client, d)
	if err != nil {
		return err
	}
	form := url.Values{"logout_token": {token}}.Encode()
	response, err := s.Outgoing.Post(ctx, client.BackchannelLogoutURI, "application/x-www-form-urlencoded", []byte(form),
		nil)
	if err != nil {
		return err
	}
	switch status := response.Status; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest:
		return fmt.Errorf("%w: status 400%s", ErrLogoutRefused, errorCode(response.Body))
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: status %d", ErrLogoutRedirected, status)
	default:
		return fmt.Errorf("the app answered with status %d%s", status, errorCode(response.Body))
	}
}

// logoutToken has the claims of a logout token (section 2.4). It has no nonce, so that it cannot be
// mistaken for an ID token. It always has both sub and sid, because some apps read only one of them.
type logoutToken struct {
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub"`
	Audience  string              `json:"aud"` // a string, as in ID tokens
	IssuedAt  int64               `json:"iat"`
	ExpiresAt int64               `json:"exp"`
	ID        string              `json:"jti"`
	Events    map[string]struct{} `json:"events"`
	SessionID string              `json:"sid"`
}

// token returns a signed logout token.
func (s LogoutSender) token(client *Client, d gateway.Delivery) (string, error) {
	now := s.Now()
	claims, err := json.Marshal(logoutToken{
		Issuer: s.Issuer, Subject: d.Subject, Audience: client.ID, IssuedAt: now.Unix(),
		ExpiresAt: now.Add(logoutTokenLifetime).Unix(), ID: newToken(),
		Events: map[string]struct{}{logoutEvent: {}}, SessionID: d.SessionID,
	})
	if err != nil {
		return "", err
	}
	return s.Keys.Sign(client.IDTokenAlg, keys.TypeLogout, claims)
}

var validErrorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// errorCode returns the error code of an OAuth response in JSON, for a message. It returns "" for any
// other body: nothing else that an app sends is shown.
func errorCode(body []byte) string {
	var response struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &response) != nil || !validErrorCode.MatchString(response.Error) {
		return ""
	}
	return ", " + response.Error
}
