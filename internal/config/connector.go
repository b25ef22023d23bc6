package config

import (
	"regexp"
	"slices"
	"strings"
)

// The hosts of WeChat.
const (
	wechatAPI  = "https://api.weixin.qq.com"
	wechatOpen = "https://open.weixin.qq.com"
)

var (
	connectorName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	appID         = regexp.MustCompile(`^wx[0-9a-f]{16}$`)
	platform      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

func connectorKeys() []key[Connector] {
	return []key[Connector]{
		{name: "name", fileOnly: true, required: "a name of your choice, such as main", read: readConnectorName},
		{name: "kind", required: "official_account or website",
			read: func(_ *section, v value, c *Connector) { c.Kind = v.choice("", OfficialAccount, Website) }},
		{name: "appid", read: readConnectorAppID},
		{name: "secret", read: readAppSecret},
		{name: "secret_file"}, // with secret
		{name: "open_platform", read: readOpenPlatform},
		{name: "api",
			read: func(s *section, v value, c *Connector) { c.API = v.base(wechatAPI, s.r.conf.Insecure) }},
		{name: "open",
			read: func(s *section, v value, c *Connector) { c.Open = v.base(wechatOpen, s.r.conf.Insecure) }},
		{name: "any_browser", read: readAnyBrowser},
		{name: "control", read: readControl},
	}
}

// connectors reads the list of connectors.
func (v value) connectors() (out []Connector) {
	var at []*section
	for _, item := range v.items() {
		s := item.section(keyNames(connectorKeys()))
		if !s.isMapping() {
			continue
		}
		var c Connector
		for _, k := range connectorKeys() {
			readKey(s, k, &c)
		}
		out, at = append(out, c), append(at, s)
	}
	hasAccount := slices.ContainsFunc(out, func(c Connector) bool { return c.Kind == OfficialAccount })
	for i, c := range out {
		shares := slices.ContainsFunc(out, func(o Connector) bool {
			return o.Kind != Website && o.OpenPlatform == c.OpenPlatform && c.OpenPlatform != ""
		})
		if c.Kind == Website && hasAccount && !shares {
			at[i].warn("no open_platform in common with an official account: who uses both becomes two users")
		}
	}
	return out
}

func readConnectorName(s *section, v value, c *Connector) {
	const rule = "must be a lower-case letter, then lower-case letters, digits, _ or -, at most 32 characters"
	c.Name = v.name("wechat", connectorName, rule, s.r.connectorNames)
	s.rename("wechat", c.Name)
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
	c.AppID = v.appID(s.line)
}

func readAppSecret(s *section, v value, c *Connector) {
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
	if c.OpenPlatform != "" && !platform.MatchString(c.OpenPlatform) {
		v.reject("must consist of letters, digits, dots, _ and -")
	}
}

func readAnyBrowser(_ *section, v value, c *Connector) {
	switch c.AnyBrowser = v.boolean(); {
	case !c.AnyBrowser:
	case c.Kind == Website:
		v.reject("only valid for kind official_account: a website app works in every browser")
	case !isLoopback(c.API) || !isLoopback(c.Open):
		v.reject("only valid with a simulator: api and open must be loopback addresses")
	}
}

// readControl reads the URL of a simulator's control page, whose phones can open a QR code of the
// gateway.
func readControl(_ *section, v value, c *Connector) {
	if text, ok := v.text(); !ok || text == "" {
		return
	}
	switch c.Control = v.base("", true); {
	case c.Control == "": // rejected already
	case c.Kind == Website:
		v.reject("only valid for kind official_account")
	case !isLoopback(c.API) || !isLoopback(c.Open) || !isLoopback(c.Control):
		v.reject("only valid with a simulator: control, api and open must be loopback addresses")
	}
}

// appID reads an appid that no other part of the configuration has. line is stored for messages
// about a second use.
func (v value) appID(line int) string {
	text, ok := v.text()
	used := v.r.appIDs[text]
	switch {
	case !ok:
	case strings.HasPrefix(text, "gh_"):
		v.reject("must be the appid, which starts with wx, not the original ID (原始ID)")
	case !appID.MatchString(text):
		v.reject("must be wx and 16 hexadecimal digits in lower case")
	case used > 0:
		v.reject("already used on line %d", used)
	default:
		v.r.appIDs[text] = line
		return text
	}
	return ""
}

// base reads a URL that paths are appended to.
func (v value) base(def string, insecure bool) string {
	text, ok := v.text()
	if !ok {
		return def
	}
	if errs := checkBase(text, insecure); len(errs) > 0 {
		v.rejectAll(errs)
		return def
	}
	return text
}

// names are the names of a list's items and their environment variables, each with its line.
type names struct {
	lines     map[string]int
	variables map[string]int
}

func newNames() *names { return &names{lines: map[string]int{}, variables: map[string]int{}} }

// name reads the name of an item of a list. It returns "" if the name is rejected.
func (v value) name(list string, form *regexp.Regexp, rule string, taken *names) string {
	text, ok := v.text()
	if !ok {
		return ""
	}
	env := variable(list + "." + text)
	first, similar := taken.lines[text], taken.variables[env]
	switch {
	case !form.MatchString(text):
		v.reject("%s", rule)
	case first > 0:
		v.reject("already used on line %d", first)
	case similar > 0:
		v.reject("too similar to the name on line %d: both have the environment variables %s_…", similar, env)
	default:
		taken.lines[text], taken.variables[env] = v.line, v.line
		return text
	}
	return ""
}

// rename replaces the index in the path of an item with its name.
func (s *section) rename(list, name string) {
	if name != "" {
		s.path = list + "." + name
	}
}

// connectorNames returns the names of the connectors of a kind; "" means of every kind. A connector
// whose kind was rejected counts for every kind.
func connectorNames(all []Connector, kind string) (out []string) {
	for _, c := range all {
		if c.Name != "" && (kind == "" || c.Kind == kind || c.Kind == "") {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return out
}
