package signin

import "github.com/weigate/weigate/login"

// LoginStore is the store that package login is given for an entry.
func (h *Handler) LoginStore(connector string) login.Store { return &loginStore{h, connector} }

// ExtraWith is what the adapter takes as login.Session.Extra, with a demand in it.
func ExtraWith(loginRequest string) (string, error) {
	return extra{LoginRequestID: loginRequest}.marshal()
}

// DemandIn is the reverse.
func DemandIn(text string) (string, error) {
	with, err := readExtra(text)
	return with.LoginRequestID, err
}
