package relay

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// App is old code that speaks WeChat's protocol. ID, Name, Access and Doors are in gateway.App.
type App struct {
	gateway.App
	AppID            string       // of the gateway's making: what the app sends as appid
	Secrets          []SecretHash // one, or two during a roll-over: both are good
	Connector        string       // at whose appid the people have the openids that the app knows; "" = only qrconnect is used
	WebsiteConnector string       // the same for qrconnect; "" = Entry
	ReturnHosts      []string     // where codes may go: hosts, with a port where it is not the usual one of http or https
}

// SecretHash is the SHA-256 of an app's secret. Secrets are long and random, so a plain hash is enough, and the secret itself is in no value that could
// be printed.
type SecretHash [32]byte

// HashSecret hashes a secret for [App.Secrets].
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

func (a *App) prepare() (problems []error) {
	fault := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	a.Secrets, a.ReturnHosts = slices.Clone(a.Secrets), slices.Clone(a.ReturnHosts)
	if a.ID == "" || a.AppID == "" || strings.ContainsFunc(a.AppID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("the id and the appid must be printable ASCII without spaces")
	}
	if n := len(a.Secrets); n < 1 || n > 2 {
		fault("it has %d secrets, want one, or two during a roll-over", n)
	}
	if slices.Contains(a.Secrets, SecretHash{}) || slices.Contains(a.Secrets, HashSecret("")) {
		fault("a secret is empty")
	}
	if a.Connector == "" && a.WebsiteConnector == "" {
		fault("it has no entry, so there is no openid to tell it")
	}
	if len(a.ReturnHosts) == 0 {
		fault("it has no return_hosts")
	}
	for _, host := range a.ReturnHosts {
		if err := checkHost(host); err != nil {
			fault("return host %q: %w", host, err)
		}
	}
	return problems
}

func checkHost(host string) error {
	if !authority.MatchString(host) || strings.ToLower(host) != host || strings.HasSuffix(host, ".") {
		return errors.New("want a host name in lower case, perhaps with a port, and nothing else")
	}
	return nil
}

// secretFits compares in constant time, with as many comparisons for an unknown app as for a known one.
func (a *App) secretFits(sent string) bool {
	var known [2]SecretHash // all zero bytes is the hash of nothing that anybody could send
	if a != nil {
		copy(known[:], a.Secrets)
	}
	sum, fits := HashSecret(sent), 0
	for i := range known {
		fits |= subtle.ConstantTimeCompare(sum[:], known[i][:])
	}
	return fits == 1
}
