package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// apiKeyCmd is "weigate api-key". API keys are for the HTTP API; signing keys are "weigate key".
type apiKeyCmd struct {
	Create apiKeyCreateCmd `cmd:"" help:"Create an API key and print it, once."`
	List   apiKeyListCmd   `cmd:"" help:"List API keys, newest first."`
	Revoke apiKeyRevokeCmd `cmd:"" help:"Make an API key unusable."`
}

// apiKeyCreateCmd is "weigate api-key create".
type apiKeyCreateCmd struct {
	adminFlags
	Name    string   `required:"" placeholder:"TEXT" help:"What the key is for."`
	Scope   []string `required:"" placeholder:"SCOPE" help:"Rights of the key, such as users:read. To see all rights, give an unknown one."`
	Expires span     `placeholder:"90d" help:"How long the key works. Without it, until it is revoked."`
}

// Run prints the key. The store keeps a hash of it only.
func (c *apiKeyCreateCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	record, key, err := svc.CreateAPIKey(s.ctx, byCommand, administration.NewAPIKey{
		Name: c.Name, Scopes: c.Scope, Expires: time.Duration(c.Expires),
	})
	var field *administration.FieldError
	if errors.As(err, &field) && field.Field == "scopes" {
		return withHint(err, "scopes: %s", strings.Join(administration.Scopes(), ", "))
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(struct {
			Key    string      `json:"key"`
			APIKey apiKeyEntry `json:"api_key"`
		}{key, newAPIKeyEntry(record, time.Now())})
	}
	s.out.printf("%s", key)
	s.out.hintf("this key is shown once; id %s, scopes %s", record.ID, strings.Join(record.Scopes, ", "))
	return nil
}

// apiKeyListCmd is "weigate api-key list".
type apiKeyListCmd struct{ adminFlags }

// Run prints a table.
func (c *apiKeyListCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	keys, err := svc.APIKeys(s.ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	return printList(s, c.JSON, keys, "No API keys.", "ID | NAME | STATE | SCOPES | CREATED BY | EXPIRES | LAST USED",
		func(k gateway.APIKey) any { return newAPIKeyEntry(k, now) },
		func(k gateway.APIKey) row {
			return cells(k.ID, k.Name, s.word("state", administration.APIKeyState(k, now)), strings.Join(k.Scopes, ","),
				s.actor(k.CreatedBy), s.formatTime(k.ExpiresAt), s.formatTime(k.LastUsedAt))
		})
}

// apiKeyRevokeCmd is "weigate api-key revoke".
type apiKeyRevokeCmd struct {
	adminFlags
	ID string `arg:"" help:"Id of the key, from weigate api-key list."`
}

// Run revokes a key.
func (c *apiKeyRevokeCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	err = svc.RevokeAPIKey(s.ctx, byCommand, c.ID)
	if errors.Is(err, gateway.ErrNotFound) {
		return withHint(errors.New("no such API key"), "weigate api-key list")
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(map[string]string{"id": c.ID, "outcome": "ok"})
	}
	s.out.printf("%s  revoked", c.ID)
	return nil
}
