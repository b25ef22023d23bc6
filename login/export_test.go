package login

import "github.com/weigate/weigate/internal/flow"

// CheckReturn returns the check of return addresses of a program.
func CheckReturn(own, prefix string, others ...string) func(raw string) (location string, ok bool) {
	p := flow.Returns{Own: own, Prefix: prefix, Allowed: map[string]bool{},
		Reserved: []string{pathStart + "/", pathCallback + "/", pathSignOut}}
	for _, o := range others {
		p.Allowed[o] = true
	}
	return func(raw string) (string, bool) {
		address, err := p.Check(raw)
		if err != nil {
			return "", false
		}
		return p.Absolute(address), true
	}
}
