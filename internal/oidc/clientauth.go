package oidc

import (
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/route"
)

const maxForm = 64 << 10

func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// readForm reads the body of a request of a client. Parameters in the query are rejected, not
// ignored: addresses are logged, so a secret there would leak.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, badRequest("parameters belong in the body, not in the address")
	}
	if !isForm(r) {
		return nil, badRequest("the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, badRequest("the body is cut short or too long")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("the body is not well encoded")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, badRequest("a parameter is given twice")
		}
	}
	return form, nil
}

// credentials are a client's id and secret.
type credentials struct {
	id      string
	secrets []string // the secret that was sent, as it is and form-decoded
}

// readCredentials reads the credentials of client_secret_basic or client_secret_post, or the
// client_id of a public client.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return credentials{}, badClient()
	}
	if r.Header.Get("Authorization") == "" {
		return credentials{id, []string{secret}}, nil
	}
	user, pass, ok := r.BasicAuth()
	if !ok {
		return credentials{}, badClient()
	}
	if secret != "" {
		return credentials{}, badRequest("the client authenticates in two ways at once")
	}
	c := credentials{user, []string{pass}}
	// RFC 6749 section 2.3.1 requires both halves form-encoded. Many clients do not encode them, so
	// the secret is accepted in either form.
	if decoded, err := url.QueryUnescape(pass); err == nil && decoded != pass {
		c.secrets = append(c.secrets, decoded)
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
// secret. Only failures are counted, so that a busy app is never slowed down.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*Client, error) {
	cred, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	client := h.cfg.Clients().byID[cred.id]
	from, id := h.cfg.Address(r), ""
	if client != nil {
		id = client.ID
	}
	if h.failures.Exhausted(from, id, h.cfg.Now()) {
		return nil, &Error{http.StatusTooManyRequests, codeSlowDown, "too many failed authentications; wait a minute"}
	}
	if !authenticated(client, cred.secrets) {
		h.failures.Add(from, id, h.cfg.Now())
		h.cfg.Logger.InfoContext(r.Context(), "client authentication failed", "app", id, "request_id",
			h.cfg.RequestID(r.Context()))
		return nil, badClient()
	}
	return client, nil
}

// authenticated reports whether one of the secrets is the client's. It hashes and compares as often
// for an unknown client (nil) as for a known one, so that the time of the response does not reveal
// which client ids exist.
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
