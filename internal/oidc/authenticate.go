package oidc

import (
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

// This file reads the requests of clients, and authenticates the clients.

func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// clientParameters are the parameters that have a meaning at the endpoints for clients. A second
// value of one of them is an error (RFC 6749, section 3.2). Other parameters are ignored, even if
// they are repeated.
func clientParameters() []string {
	return []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id",
		"client_secret", "client_assertion", "client_assertion_type", "token", "token_type_hint", "access_token"}
}

// repeated returns the first of the names that has more than one value; "" = none.
func repeated(values url.Values, names []string) string {
	for _, name := range names {
		if len(values[name]) > 1 {
			return name
		}
	}
	return ""
}

// readForm returns the parameters in the body of a client's request. Parameters in the address
// are an error, because addresses are logged, and a secret would leak. The error shows the
// mistake to the developer of the client.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	query := r.URL.Query()
	if slices.ContainsFunc(clientParameters(), query.Has) {
		return nil, badRequest("parameters belong in the body, not in the address")
	}
	if !isForm(r) {
		return nil, badRequest("the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit.RequestBody.Bytes)))
	if err != nil {
		return nil, badRequest("the body is cut short or too long")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("the body is not well encoded")
	}
	if name := repeated(form, clientParameters()); name != "" {
		return nil, badRequest(name + " is given twice")
	}
	return form, nil
}

// credentials are the client id and the secret of a request. Some clients form-encode the secret in
// the Authorization header, and some do not. So secrets has each value that the client can mean.
type credentials struct {
	id      string
	secrets []string // as sent, and form-decoded if that differs; at least one, perhaps ""
}

// readCredentials reads the credentials of client_secret_basic or client_secret_post, or the
// client_id of a public client. Some clients send the secret in the header and in the body
// (zitadel/oidc#830). This is accepted if both secrets are equal.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return credentials{}, badClient("client_assertion_unsupported") // private_key_jwt, client_secret_jwt
	}
	if r.Header.Get("Authorization") == "" {
		return credentials{id: id, secrets: []string{secret}}, nil
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return credentials{}, badClient("authorization_header_not_basic")
	}
	c := credentials{id: user, secrets: []string{password}}
	// RFC 6749 section 2.3.1 requires clients to form-encode id and secret before Basic. Many do
	// not encode them, so the secret is accepted with and without decoding.
	if decoded, err := url.QueryUnescape(password); err == nil && decoded != password {
		c.secrets = append(c.secrets, decoded)
	}
	switch {
	case secret == "":
	case password == "" || slices.Contains(c.secrets, secret): // both are from the request: no timing attack
		c.secrets = []string{secret}
	default:
		return credentials{}, badRequest("client_secret differs from the one in the Authorization header")
	}
	if decoded, err := url.QueryUnescape(user); err == nil {
		c.id = decoded
	}
	if id != "" && id != c.id {
		return credentials{}, badRequest("client_id differs from the one in the Authorization header")
	}
	return c, nil
}

// authenticate returns the client of a request. An unknown client gets the same error as a wrong
// secret. Wrong secrets are counted, and after too many, requests with a secret are refused.
// Nothing is counted for a public client: its id is public, so anybody could lock it out by sending
// secrets with it.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*Client, error) {
	cred, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	client := h.cfg.Clients().byID[cred.id]
	address, now := h.cfg.Address(r), h.cfg.Now()
	id := "" // unknown clients are counted together
	if client != nil {
		id = client.ID
	}
	counted := (client == nil || !client.Public) && cred.secrets[0] != ""
	if counted && h.failures.Refused(address, id, now) {
		return nil, newError(http.StatusTooManyRequests, codeSlowDown,
			"too many failed authentications; wait a minute").because("too_many_failed_authentications")
	}
	matches := authenticated(client, cred.secrets)
	switch {
	case counted && matches:
		h.failures.Right(address, id, now)
	case counted:
		h.failures.Wrong(address, id, now)
	}
	if !matches {
		if client == nil {
			return nil, badClient("unknown_client") // logs no client_id: it may be a misplaced secret
		}
		failure := badClient("wrong_secret", slog.Bool("public", client.Public))
		failure.app = id
		return nil, failure
	}
	return client, nil
}

// authenticated reports whether one of the secrets is the client's. A public client matches only
// without a secret. An unknown client (nil) takes as many hashes and comparisons as a known client.
// So the response time does not reveal which client ids exist.
func authenticated(client *Client, secrets []string) bool {
	var known []route.SecretHash
	if client != nil {
		known = client.Secrets
	}
	matches := route.SecretMatches(known, secrets...)
	if client != nil && client.Public {
		return secrets[0] == ""
	}
	return matches
}
