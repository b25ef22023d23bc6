package login

import "time"

// CheckReturn lets a test call the return policy.
func CheckReturn(own, prefix string, others ...string) func(raw string) (location string, ok bool) {
	p := returnPolicy{own: own, prefix: prefix, allowed: map[string]bool{own: true}}
	for _, o := range others {
		p.allowed[o] = true
	}
	return func(raw string) (string, bool) {
		address, err := p.check(raw)
		if err != nil {
			return "", false
		}
		return p.absolute(address), true
	}
}

// Reflow reads a flow and writes it again; ok says whether it could be read.
func Reflow(b []byte) (again []byte, ok bool, err error) {
	f, err := unmarshalFlow(b)
	if err != nil {
		return nil, false, nil
	}
	again, err = f.marshal()
	return again, true, err
}

// SampleFlow is a flow as Start makes it.
func SampleFlow(returnTo string, data []byte) ([]byte, error) {
	f := newFlow(1, time.Unix(1772352000, 0))
	f.returnTo, f.data, f.method, f.scope, f.forcePopup = returnTo, data, MethodWebsite, flowScopes[2], true
	return f.marshal()
}

// SessionIDOf is the session id that a callback derives from the secret of its flow.
func SessionIDOf(secret []byte) (string, error) { return sessionID(secret) }
