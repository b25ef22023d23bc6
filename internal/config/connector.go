package config

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// This file reads the wechat list. Its items are the connectors. A connector is an app of yours at
// WeChat: an official account, a subscription account or a website app.

// Default base URLs of WeChat's API and of its pages.
const (
	wechatAPI  = "https://api.weixin.qq.com"
	wechatOpen = "https://open.weixin.qq.com"
)

var (
	validConnectorName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	validAppID         = regexp.MustCompile(`^wx[0-9a-f]{16}$`)
	validOpenPlatform  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// connectorKeys declares the keys of a connector. Two fields of a key: required is what is missing
// without the key, for the message; noEnv means that no environment variable sets the key.
func connectorKeys() []key[Connector] {
	return []key[Connector]{
		{name: "name", noEnv: true, required: "a name of your choice, such as main", read: readConnectorName},
		{name: "kind", required: "official_account, subscription_account or website",
			read: func(_ *section, v value, c *Connector) {
				c.Kind = v.choice("", OfficialAccount, SubscriptionAccount, Website)
			}},
		{name: "appid", read: readConnectorAppID},
		{name: "secret", read: readAppSecret},
		{name: "secret_file"}, // readAppSecret reads it
		{name: "open_platform", read: readOpenPlatform},
		{name: "api",
			read: func(s *section, v value, c *Connector) { c.API = v.baseURL(wechatAPI, s.reader.conf.Insecure) }},
		{name: "open",
			read: func(s *section, v value, c *Connector) { c.Open = v.baseURL(wechatOpen, s.reader.conf.Insecure) }},
		{name: "any_browser", read: readAnyBrowser},
		{name: "control", read: readControl},
		{name: "push", noEnv: true, below: prefixed(".", paths(pushKeys())), read: readPush},
	}
}

// ConnectorsDigest returns a digest of what identifies the connectors at WeChat, with their secrets.
// "weigate check" compares the digest of the file with that of the running gateway.
func (c *Config) ConnectorsDigest() []byte {
	h := sha256.New()
	for _, conn := range c.WeChat {
		fmt.Fprintf(h, "%q\n", []string{conn.Name, conn.Kind, conn.AppID, string(conn.Secret), conn.API, conn.Open})
	}
	return h.Sum(nil)
}

// connectors reads the wechat list.
func (v value) connectors() (out []Connector) {
	var sections []*section // the section of each connector in out, for warnings
	for _, item := range v.items() {
		s := item.section(keyNames(connectorKeys()))
		if !s.requireMapping() {
			continue
		}
		var c Connector
		for _, k := range connectorKeys() {
			readKey(s, k, &c)
		}
		out, sections = append(out, c), append(sections, s)
	}
	warnSeparateUsers(out, sections)
	return out
}

// warnSeparateUsers warns of a website app that shares no unionids with an official account.
// Without a common unionid, the gateway cannot recognize a user of both: it records two users.
func warnSeparateUsers(connectors []Connector, sections []*section) {
	hasOfficialAccount := false
	platforms := map[string]bool{} // values of open_platform of connectors that are not website apps
	for _, c := range connectors {
		if c.Kind == OfficialAccount {
			hasOfficialAccount = true
		}
		if c.Kind != Website && c.OpenPlatform != "" {
			platforms[c.OpenPlatform] = true
		}
	}
	for i, c := range connectors {
		if c.Kind == Website && hasOfficialAccount && !platforms[c.OpenPlatform] {
			sections[i].warn("no open_platform in common with an official account: who uses both becomes two users")
		}
	}
}

func readConnectorName(s *section, v value, c *Connector) {
	rule := lang.Text("must be a lower-case letter, then lower-case letters, digits, _ or -, at most 32 characters")
	c.Name = v.uniqueName("wechat", validConnectorName, rule, s.reader.connectorNames)
	s.useNameInPath("wechat", c.Name)
}

func readConnectorAppID(s *section, v value, c *Connector) {
	console := "mp.weixin.qq.com, 设置与开发 › 开发接口管理"
	if c.Kind == Website {
		console = "open.weixin.qq.com, 管理中心 › 网站应用"
	}
	if !v.present() {
		v.reject("missing: see %s", console)
		return
	}
	c.AppID = v.uniqueAppID(s.line)
}

func readAppSecret(s *section, v value, c *Connector) {
	if c.Kind == SubscriptionAccount {
		if s.hasSecret() {
			v.reject("not needed for kind subscription_account, which makes no calls to WeChat: remove it")
		}
		return
	}
	if !s.hasSecret() {
		v.reject("missing: the AppSecret, or secret_file with the path of a file that contains it")
		return
	}
	if all := s.secrets(v, 1); len(all) > 0 {
		c.Secret = all[0].value
	}
}

func readOpenPlatform(_ *section, v value, c *Connector) {
	c.OpenPlatform, _ = v.text()
	if c.OpenPlatform != "" && c.Kind == SubscriptionAccount {
		v.reject("not valid for kind subscription_account: WeChat sends no unionid with its messages")
	}
	if c.OpenPlatform != "" && !validOpenPlatform.MatchString(c.OpenPlatform) {
		v.reject("must consist of letters, digits, dots, _ and -")
	}
}

func readAnyBrowser(_ *section, v value, c *Connector) {
	switch c.AnyBrowser = v.boolean(); {
	case !c.AnyBrowser:
	case c.Kind == Website || c.Kind == SubscriptionAccount:
		v.reject("only valid for kind official_account: a website app works in every browser")
	case !isLoopback(c.API) || !isLoopback(c.Open):
		v.reject("only valid with a simulator: api and open must be loopback addresses")
	}
}

// readControl reads the URL of a simulator's control page. The gateway links from its QR code to
// that page, where a simulated phone can open the code.
func readControl(_ *section, v value, c *Connector) {
	if text, ok := v.text(); !ok || text == "" {
		return
	}
	const insecure = true // plain http is allowed, because only loopback addresses are accepted below
	switch c.Control = v.baseURL("", insecure); {
	case c.Control == "": // rejected already
	case c.Kind == Website:
		v.reject("only valid for kind official_account")
	case !isLoopback(c.API) || !isLoopback(c.Open) || !isLoopback(c.Control):
		v.reject("only valid with a simulator: control, api and open must be loopback addresses")
	}
}

// uniqueAppID reads the appid of a connector or of a relay app. It rejects an appid that was used
// before. line is the line of this connector or app: the message for a later duplicate names it.
// uniqueAppID returns "" if it rejects the appid.
func (v value) uniqueAppID(line int) string {
	text, ok := v.text()
	firstLine := v.reader.appIDs[text]
	switch {
	case !ok:
	case strings.HasPrefix(text, "gh_"):
		v.reject("must be the appid, which starts with wx, not the original ID (原始ID)")
	case !validAppID.MatchString(text):
		v.reject("must be wx and 16 hexadecimal digits in lower case")
	case firstLine > 0:
		v.reject("already used on line %d", firstLine)
	default:
		v.reader.appIDs[text] = line
		return text
	}
	return ""
}

// baseURL reads a URL to which the gateway appends paths. It returns defaultValue if the URL is
// absent or rejected. insecure allows plain http on hosts other than this machine.
func (v value) baseURL(defaultValue string, insecure bool) string {
	text, ok := v.text()
	if !ok {
		return defaultValue
	}
	if errs := checkBaseURL(text, insecure); len(errs) > 0 {
		v.rejectAll(errs)
		return defaultValue
	}
	return text
}

// usedNames has the names of the list items that were read so far, to find duplicates.
type usedNames struct {
	lines     map[string]int // name → its line
	variables map[string]int // beginning of environment variables (WEIGATE_APPS_WIKI) → line of the name
}

func newUsedNames() *usedNames {
	return &usedNames{lines: map[string]int{}, variables: map[string]int{}}
}

// uniqueName reads the name of a list item, and adds it to used. It returns "" if it rejects the
// name. There are three reasons:
//
//   - The name does not match valid. rule describes valid in the message.
//   - The name was used before.
//   - An earlier name leads to equal environment variables, as a-b and a_b do.
func (v value) uniqueName(list string, valid *regexp.Regexp, rule lang.Message, used *usedNames) string {
	text, ok := v.text()
	if !ok {
		return ""
	}
	env := variable(list + "." + text)
	sameNameLine, sameEnvLine := used.lines[text], used.variables[env]
	switch {
	case !valid.MatchString(text):
		v.reject("%s", rule)
	case sameNameLine > 0:
		v.reject("already used on line %d", sameNameLine)
	case sameEnvLine > 0:
		v.reject("too similar to the name on line %d: both have the environment variables %s_…", sameEnvLine, env)
	default:
		used.lines[text], used.variables[env] = v.line, v.line
		return text
	}
	return ""
}

// useNameInPath replaces the index in the path of a list item with the item's name: wechat[0]
// becomes wechat.main, in messages and in environment variables.
func (s *section) useNameInPath(list, name string) {
	if name != "" {
		s.path = list + "." + name
	}
}

// connectorNames returns the names of the connectors of a kind, or of all kinds for "". A connector
// with a rejected kind counts for every kind, so that one mistake does not cause two messages.
func connectorNames(all []Connector, kind string) (out []string) {
	for _, c := range all {
		if c.Name != "" && (kind == "" || c.Kind == kind || c.Kind == "") {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return out
}
