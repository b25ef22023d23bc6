package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

func connectorKeys() []string {
	return []string{"name", "kind", "appid", "secret", "secret_file", "open_platform", "api", "open", "any_browser", "control"}
}

var (
	connectorName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	appID         = regexp.MustCompile(`^wx[0-9a-f]{16}$`)
	platform      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// WeChat's own addresses.
const (
	wechatAPI  = "https://api.weixin.qq.com"
	wechatOpen = "https://open.weixin.qq.com"
)

// entries reads the entries, and where the appid of each stands.
func (r *reader) connectors(list value, insecure bool) (out []Connector, appIDs map[string]int) {
	appIDs = map[string]int{}
	items := list.items()
	if len(items) == 0 && (!list.given() || list.node.Kind == yaml.SequenceNode) {
		list.fault("is missing: at least one entry, an official account or a website app of yours at WeChat")
		return nil, appIDs
	}
	taken := newNames()
	var at []value
	for _, item := range items {
		s := item.section(connectorKeys()...)
		if !s.mapping() {
			continue
		}
		e := Connector{Name: s.name("name", "wechat", connectorName, "a lower-case letter, then letters, digits, _ and -, at most 32", taken)}
		s.rename("wechat", e.Name)
		s.connector(&e, insecure, appIDs)
		out = append(out, e)
		at = append(at, s.value)
	}
	for i, e := range out {
		if e.Kind == Website && !slices.ContainsFunc(out, func(o Connector) bool {
			return o.Kind != Website && o.OpenPlatform == e.OpenPlatform && e.OpenPlatform != ""
		}) &&
			slices.ContainsFunc(out, func(o Connector) bool { return o.Kind == OfficialAccount }) {
			at[i].warn("shares no open_platform with an official account: who comes in through both has two accounts")
		}
	}
	return out, appIDs
}

// entry reads what stands beside the name.
func (s section) connector(e *Connector, insecure bool, ids map[string]int) {
	kind := s.one("kind")
	if e.Kind = kind.choice("", OfficialAccount, Website); !kind.given() {
		kind.fault("is missing: official_account or website")
	}
	e.AppID = s.appID(ids, "it begins with wx, see "+s.place(e.Kind))

	if all := s.secrets("secret", 1); len(all) > 0 {
		e.Secret = all[0].value
	} else if !s.one("secret").given() && !s.one("secret_file").given() {
		s.missing("secret", "the AppSecret, or its file as secret_file")
	}

	if v := s.one("open_platform"); v.given() {
		if text, ok := v.text(); ok && text != "" {
			if !platform.MatchString(text) {
				v.fault("must be a name of letters, digits, dots, _ and -, of your own choice")
			}
			e.OpenPlatform = text
		}
	}
	e.API, e.Open = s.base("api", wechatAPI, insecure), s.base("open", wechatOpen, insecure)
	if v := s.one("any_browser"); v.yes() {
		e.AnyBrowser = true
		if e.Kind == Website {
			v.fault("is for official accounts: a website app serves every browser outside WeChat as it is")
		} else if !isLocal(e.API) || !isLocal(e.Open) {
			v.fault("is for a simulator on this machine: api and open must both be loopback addresses")
		}
	}
	s.control(e)
}

// control reads where the control page of a simulator is, whose phones can take a QR code.
func (s section) control(e *Connector) {
	v := s.one("control")
	if text, ok := v.text(); !ok || text == "" {
		return
	}
	switch e.Control = s.base("control", "", true); {
	case e.Control == "": // a fault of its own
	case e.Kind == Website:
		v.fault("is for official accounts: their phones open our own QR code")
	case !isLocal(e.API) || !isLocal(e.Open) || !isLocal(e.Control):
		v.fault("is the control page of a simulator on this machine: it, api and open must be loopback addresses")
	}
}

// place is where an entry's appid and secret are to be seen.
func (section) place(kind string) string {
	if kind == Website {
		return "open.weixin.qq.com, 管理中心 › 网站应用"
	}
	return "mp.weixin.qq.com, 设置与开发 › 开发接口管理"
}

// appID reads an appid that is in none of ids yet, which hold the lines of all so far.
func (s section) appID(ids map[string]int, missing string) string {
	id := s.one("appid")
	text, ok := id.text()
	switch {
	case !id.given():
		id.fault("is missing: %s", missing)
	case ok && strings.HasPrefix(text, "gh_"):
		id.fault("that is the account's original id (原始ID): the appid begins with wx")
	case ok && !appID.MatchString(text):
		id.fault("must be wx and 16 digits of 0-9a-f")
	case ok && ids[text] > 0:
		id.fault("is the appid of the one on line %d already", ids[text])
	case ok:
		ids[text] = s.line
		return text
	}
	return ""
}

// missing records that a required key of the section is not there.
func (s section) missing(key, want string) {
	s.one(key).fault("is missing: %s", want)
}

func (s section) base(key, def string, insecure bool) string {
	v := s.one(key)
	text, ok := v.text()
	if !ok {
		return def
	}
	if wrong := checkBase(text, insecure); len(wrong) > 0 {
		v.faults(wrong)
		return def
	}
	return text
}

// rename puts the item's own name into the path of its keys, in place of its number.
func (s *section) rename(list, name string) {
	if name != "" {
		s.key = list + "." + name
	}
}

// names are the names of a list's items that are taken, as they are and as the environment writes them.
type names struct {
	lines map[string]int
	vars  map[string]int
}

func newNames() *names { return &names{map[string]int{}, map[string]int{}} }

// name reads the name of an item. It is "" when there is none that can be used.
func (s section) name(key, list string, form *regexp.Regexp, rule string, taken *names) string {
	v := s.at(key)
	text, ok := v.text()
	switch {
	case !v.given():
		v.fault("is missing")
		return ""
	case !ok:
		return ""
	case !form.MatchString(text):
		v.fault("must be %s characters", rule)
		return ""
	case taken.lines[text] > 0:
		v.fault("is taken by the one on line %d", taken.lines[text])
		return ""
	}
	env := variable(list + "." + text)
	if line := taken.vars[env]; line > 0 {
		v.fault("is too like the one on line %d: both would read the same variables %s_…", line, env)
		return ""
	}
	taken.lines[text], taken.vars[env] = v.line, v.line
	return text
}

// entryNames lists the names that apps may refer to: of one kind, or with "" of all. An entry whose kind is misspelt is there for every kind, since its
// own problem is told.
func connectorNames(all []Connector, kind string) (out []string) {
	for _, e := range all {
		if e.Name != "" && (kind == "" || e.Kind == kind || e.Kind == "") {
			out = append(out, e.Name)
		}
	}
	slices.Sort(out)
	return out
}
