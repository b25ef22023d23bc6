package cli

import (
	"encoding/json"
	"net"
	"strings"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat/wechattest"
)

// simStart is the text that "weigate sim" prints when its servers accept connections. With --json
// the text is one line of JSON, for the program that has started the simulator.
type simStart struct {
	Pages   string         `json:"pages"`   // address to use in place of https://open.weixin.qq.com
	API     string         `json:"api"`     // address to use in place of https://api.weixin.qq.com
	Control string         `json:"control"` // control page and JSON API of the simulator
	Ports   map[string]int `json:"ports"`   // "pages", "control", and "tls" with --tls-addr
	TLS     string         `json:"tls,omitempty"`
	CA      string         `json:"ca,omitempty"` // file of the certificate authority
	Seed    string         `json:"seed"`         // a string: JavaScript would round the number
	Apps    []simApp       `json:"apps"`
	People  []string       `json:"people"`
}

// simApp is an app at the simulated WeChat.
type simApp struct {
	AppID   string   `json:"appid"`
	Secret  string   `json:"secret,omitempty"` // of the example apps only: a secret that the user sets may be a real one
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Domains []string `json:"domains"`

	kind wechattest.AppKind // for the text; Kind is for JSON
	push string             // address of message push; "" = none
}

// addRegistered adds the apps and people of the simulator. examples reports whether the apps are
// the example apps.
func (s *simStart) addRegistered(wx *wechattest.Server, examples bool) {
	for _, a := range wx.Apps() {
		app := simApp{AppID: a.AppID, Kind: simulator.KindName(a.Kind), Name: a.Name,
			Domains: append([]string{}, a.Domains...), kind: a.Kind, push: a.Push.URL}
		if examples {
			app.Secret = a.Secret
		}
		s.Apps = append(s.Apps, app)
	}
	for _, p := range wx.People() {
		s.People = append(s.People, p.ID)
	}
}

// printJSON prints one line of JSON.
func (s *simStart) printJSON(out printer) error {
	line, err := json.Marshal(s)
	if err != nil {
		return lang.Errorf("--json: %w", err)
	}
	out.printf("%s", line)
	return nil
}

// print prints the text for a person who reads it in a terminal.
func (s *simStart) print(out printer) {
	out.printf("A simulated WeChat. Everyone who reaches it can sign in as anyone. Nothing is kept at exit.\n")
	out.printf("  pages     %s   in place of https://open.weixin.qq.com", s.Pages)
	out.printf("  API       %s   in place of https://api.weixin.qq.com", s.API)
	out.printf("  control   %s   people, phones, quirks, faults, log", s.Control)
	if s.TLS != "" {
		out.printf("  TLS       %s   as open.weixin.qq.com and api.weixin.qq.com; trust %s", s.TLS, s.CA)
	}
	out.printf("  seed      %s\n", s.Seed)
	width := displayWidth("official account") // the least: the line of the people has it too
	kinds := make([]string, len(s.Apps))
	for i, a := range s.Apps {
		kinds[i] = out.texts.Text(kindOfApp(a.kind))
		width = max(width, displayWidth(kinds[i]))
	}
	for i, a := range s.Apps {
		kind := kinds[i] + strings.Repeat(" ", width-displayWidth(kinds[i]))
		secret := lang.Text("%s", a.Secret)
		if a.Secret == "" {
			secret = lang.Text("as given")
		}
		if len(a.Domains) == 0 {
			out.printf("  %s  %s   secret %s", kind, a.AppID, secret)
		} else {
			out.printf("  %s  %s   secret %s   callbacks to %s", kind, a.AppID, secret,
				strings.Join(a.Domains, ", "))
		}
		if a.push != "" {
			out.printf("  %-*s  pushes to %s", width, "", a.push)
		}
	}
	out.printf("  people            %s\n\nCtrl-C stops it.", strings.Join(s.People, ", "))
}

// port returns the port of a listener.
func port(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// kindOfApp names a kind of app for a terminal.
func kindOfApp(kind wechattest.AppKind) lang.Message {
	switch kind {
	case wechattest.OfficialAccount:
		return lang.Text("official account")
	case wechattest.TestAccount:
		return lang.Text("test account")
	case wechattest.WebsiteApp:
		return lang.Text("website app")
	case wechattest.SubscriptionAccount:
		return lang.Text("subscription account")
	case wechattest.VerifiedSubscriptionAccount:
		return lang.Text("verified subscription account")
	case wechattest.UnverifiedServiceAccount:
		return lang.Text("unverified service account")
	}
	return lang.Text("%s", kind)
}
