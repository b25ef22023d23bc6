package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
)

// App is an app that was written for WeChat's protocol. gateway.App has its ID, Name, Access and
// Methods.
type App struct {
	gateway.App
	AppID            string             // assigned by the gateway: what the app sends as appid
	Secrets          []route.SecretHash // one, or two while a secret is replaced
	Connector        string             // whose openids the app stores; "" = only qrconnect is used
	WebsiteConnector string             // the same for qrconnect; "" = Connector
	// hosts to which codes may be sent, with a port where it is not the default one of http or https
	ReturnHosts []string
}

func (a *App) prepare() (problems []error) {
	fault := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	a.Secrets, a.ReturnHosts = slices.Clone(a.Secrets), slices.Clone(a.ReturnHosts)
	if a.ID == "" || a.AppID == "" || strings.ContainsFunc(a.AppID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("the id and the appid must be printable ASCII without spaces")
	}
	if n := len(a.Secrets); n < 1 || n > 2 {
		fault("it has %d secrets, want one, or two during a roll-over", n)
	}
	if slices.Contains(a.Secrets, route.SecretHash{}) || slices.Contains(a.Secrets, route.HashSecret("")) {
		fault("a secret is empty")
	}
	if a.Connector == "" && a.WebsiteConnector == "" {
		fault("it has no connector, so it has no openids")
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

// secretMatches reports whether sent is a secret of the app. It takes the same time for an app that
// does not exist.
func (a *App) secretMatches(sent string) bool {
	var known []route.SecretHash
	if a != nil {
		known = a.Secrets
	}
	return route.SecretMatches(known, sent)
}
