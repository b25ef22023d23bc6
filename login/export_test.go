package login

import "github.com/weigate/weigate/internal/flow"

// CheckReturn returns the check of return addresses of a program.
func CheckReturn(own, prefix string, others ...string) func(raw string) (location string, ok bool) {
	p := flow.ReturnPolicy{Origin: own, Prefix: prefix, AllowedOrigins: map[string]bool{},
		ReservedPaths: []string{pathStart + "/", pathCallback + "/", pathSignOut}}
	for _, o := range others {
		p.AllowedOrigins[o] = true
	}
	return func(raw string) (string, bool) {
		address, err := p.Check(raw)
		if err != nil {
			return "", false
		}
		return p.Absolute(address), true
	}
}
