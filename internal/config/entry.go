package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

func entryKeys() []string {
	return []string{"name", "kind", "appid", "secret", "secret_file", "open_platform", "api", "open", "any_browser"}
}

var (
	entryName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	appID     = regexp.MustCompile(`^wx[0-9a-f]{16}$`)
	platform  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// WeChat's own addresses.
const (
	wechatAPI  = "https://api.weixin.qq.com"
	wechatOpen = "https://open.weixin.qq.com"
)

func (r *reader) entries(list value, insecure bool) (out []Entry) {
	items := list.items()
	if len(items) == 0 && (!list.given() || list.node.Kind == yaml.SequenceNode) {
		list.fault("is missing: at least one entry, an official account of yours at WeChat")
		return nil
	}
	taken, ids := newNames(), map[string]int{}
	for _, item := range items {
		s := item.section(entryKeys()...)
		if !s.mapping() {
			continue
		}
		e := Entry{Name: s.name("name", "wechat", entryName, "a lower-case letter, then letters, digits, _ and -, at most 32", taken)}
		s.rename("wechat", e.Name)
		s.entry(&e, insecure, ids)
		out = append(out, e)
	}
	return out
}

// entry reads what stands beside the name.
func (s section) entry(e *Entry, insecure bool, ids map[string]int) {
	kind := s.one("kind")
	switch text, ok := kind.text(); {
	case ok && text == "website":
		kind.fault("website is not in this version: official_account is")
	case !kind.given():
		kind.fault("is missing: official_account")
	default:
		e.Kind = kind.choice("", OfficialAccount)
	}

	id := s.one("appid")
	text, ok := id.text()
	switch {
	case !id.given():
		id.fault("is missing: it begins with wx, see mp.weixin.qq.com, 设置与开发 › 开发接口管理")
	case ok && strings.HasPrefix(text, "gh_"):
		id.fault("that is the account's original id (原始ID): the appid begins with wx")
	case ok && !appID.MatchString(text):
		id.fault("must be wx and 16 digits of 0-9a-f")
	case ok && ids[text] > 0:
		id.fault("is the appid of the entry on line %d already", ids[text])
	case ok:
		e.AppID, ids[text] = text, s.line
	}

	if all := s.secrets("secret", 1); len(all) > 0 {
		e.Secret = all[0].value
	} else if !s.one("secret").given() && !s.one("secret_file").given() {
		s.missing("secret", "the AppSecret of the account, or its file as secret_file")
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
		if !isLocal(e.API) || !isLocal(e.Open) {
			v.fault("is for a simulator on this machine: api and open must both be loopback addresses")
		}
	}
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

// entryNames lists the names that apps may refer to.
func entryNames(all []Entry) (out []string) {
	for _, e := range all {
		if e.Name != "" {
			out = append(out, e.Name)
		}
	}
	slices.Sort(out)
	return out
}
