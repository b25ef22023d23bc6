package cli

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/lang"
)

// answers are the values of the new configuration. The templates use the exported fields and
// methods.
type answers struct {
	URL         string
	Kind        string // of the account, as in the configuration; "" = official_account
	AppID       string
	AccountName string // of a subscription_account
	AccountID   string // its 微信号; "" = unknown
	Access      string // signed_in or approved
	Title       string // "" = the host of URL, without a port
	Contact     string // "" = none
	Sites       []initialSite
	Store       string // path of the database
	Group       string // that must be able to read the files: the service of the Debian package; "" = none

	// Each secret has a file of its own. An official_account has the first, a subscription_account the
	// other two.
	secret, token, aesKey string
}

// initialSite is an app of kind forward_auth.
type initialSite struct {
	Host string
	Name string // that users see; "" = the app's id
}

// sitesOf parses the values of --site: HOST or HOST=NAME.
func sitesOf(flags []string) (sites []initialSite) {
	for _, flag := range flags {
		host, name, _ := strings.Cut(flag, "=")
		sites = append(sites, initialSite{Host: host, Name: strings.TrimSpace(name)})
	}
	return sites
}

// Personal reports whether users can only sign in by messages to the account, as with a personal
// account (个人订阅号).
func (a answers) Personal() bool { return a.Kind == string(config.SubscriptionAccount) }

// HasProxy reports whether "weigate proxy" prints a configuration: a gateway with plain http is for tests.
func (a answers) HasProxy() bool { return strings.HasPrefix(a.URL, "https://") }

// PageTitle returns the name of the sign-in pages.
func (a answers) PageTitle() string { return cmp.Or(a.Title, a.Hostname()) }

// PushURL returns the address of message push, for a comment. It drops the characters that are not
// printable ASCII, which a valid address does not have: a line break would end the comment.
func (a answers) PushURL() string {
	printable := func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}
	return strings.Map(printable, a.URL) + "/wechat/push/main"
}

// Home returns the address of a site in browsers. The portal links to it.
func (a answers) Home(host string) string {
	scheme, _, _ := strings.Cut(a.URL, "://")
	return scheme + "://" + host + "/"
}

// secretFiles returns the files of the secrets.
func (a answers) secretFiles() []initialFile {
	if a.Personal() {
		return []initialFile{{tokenName, a.token + "\n"}, {aesKeyName, a.aesKey + "\n"}}
	}
	return []initialFile{{secretName, a.secret + "\n"}}
}

// Host returns the host of the address, with its port if it has one. A test account registers it at
// WeChat.
func (a answers) Host() string {
	u, err := url.Parse(a.URL)
	if err != nil {
		return a.URL
	}
	return u.Host
}

// Hostname returns the host without the port, which other accounts register at WeChat.
func (a answers) Hostname() string {
	u, err := url.Parse(a.URL)
	if err != nil {
		return a.URL
	}
	return u.Hostname()
}

// Name returns the id of the app for a host: the first label, or the whole host if two hosts have the
// same first label.
func (a answers) Name(host string) string {
	label, _, _ := strings.Cut(host, ".")
	for _, other := range a.Sites {
		if first, _, _ := strings.Cut(other.Host, "."); other.Host != host && first == label {
			label = host
		}
	}
	return strings.TrimLeft(notInID.ReplaceAllString(label, "-"), "-")
}

// notInID matches what the id of an app must not contain, such as the colon of a port.
var notInID = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// text returns the configuration, with comments in a language.
func (a answers) text(language string) ([]byte, error) {
	var b bytes.Buffer
	if err := initialTemplates.ExecuteTemplate(&b, language+".yaml", a); err != nil {
		return nil, lang.Errorf("write the configuration: %w", err)
	}
	return b.Bytes(), nil
}

// The environment variables that replace the files of the secrets.
const (
	secretVariable = "WEIGATE_WECHAT_MAIN_SECRET"
	tokenVariable  = "WEIGATE_WECHAT_MAIN_PUSH_TOKEN"
	aesKeyVariable = "WEIGATE_WECHAT_MAIN_PUSH_AES_KEY"
)

// check returns the problems of the configuration text, each with the flag of the value that causes
// it.
func (a answers) check(text []byte) error {
	if err := a.checkEncoding(); err != nil {
		return err
	}
	// The files of the secrets do not exist yet.
	secrets := map[string]string{secretVariable: a.secret, tokenVariable: a.token, aesKeyVariable: a.aesKey}
	_, err := config.Parse(configName, text, func(name string) string { return secrets[name] })
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var all []error
	for _, p := range problems {
		all = append(all, initProblem{flag: flagOf(p.Key), text: p.Text})
	}
	return errors.Join(all...)
}

// checkGiven returns the problems of the values that flags set, while others are missing.
func (a answers) checkGiven(language string) error {
	for _, site := range a.Sites {
		if strings.ContainsFunc(site.Host, func(r rune) bool { return r > '~' }) {
			return lang.Errorf("--site: write the host in Punycode (xn--...), not %q", site.Host)
		}
	}
	a.URL = cmp.Or(a.URL, "https://gateway-of-init.example.com")
	a.AppID = cmp.Or(a.AppID, "wx0123456789abcdef")
	a.Access = cmp.Or(a.Access, "approved")
	if a.Personal() {
		a.AccountName = cmp.Or(a.AccountName, "Example")
		a.token, a.aesKey = newPushSecrets()
	} else {
		a.secret = cmp.Or(a.secret, "0123456789abcdef0123456789abcdef")
	}
	text, err := a.text(language)
	if err != nil {
		return err
	}
	return a.check(text)
}

// checkEncoding returns an error for texts that are not in UTF-8: a terminal or script with GBK sends
// them, and users would see garbage.
func (a answers) checkEncoding() error {
	var all []error
	refuse := func(flag string, values ...string) {
		if slices.ContainsFunc(values, func(text string) bool { return !utf8.ValidString(text) }) {
			all = append(all, initProblem{flag: flag, text: lang.Text("not in UTF-8: use a terminal with a UTF-8 locale")})
		}
	}
	refuse("--account-name", a.AccountName)
	refuse("--title", a.Title)
	refuse("--contact", a.Contact)
	for _, site := range a.Sites {
		refuse("--site", site.Name)
	}
	return errors.Join(all...)
}

// initProblem is a problem of one answer.
type initProblem struct {
	flag string
	text lang.Message
}

func (p initProblem) Error() string                      { return p.Localize(nil) }
func (p initProblem) Localize(texts lang.Formats) string { return p.flag + ": " + texts.Text(p.text) }

// flagOf returns the flag of init for a key of the configuration.
func flagOf(key string) string {
	switch key {
	case "url":
		return "--url"
	case "wechat.main.kind":
		return "--kind"
	case "wechat.main.appid":
		return "--appid"
	case secretVariable:
		return "--secret-file"
	case "wechat.main.push.account_name":
		return "--account-name"
	case "wechat.main.push.account_id":
		return "--account-id"
	case "access":
		return "--access"
	case "site.title":
		return "--title"
	case "site.contact":
		return "--contact"
	}
	if strings.HasPrefix(key, "apps") {
		return "--site"
	}
	return key
}

// newPushSecrets returns a Token and an EncodingAESKey for message push. The key is Base64 of 32 bytes;
// WeChat's console accepts only letters and digits, so keys with other characters are dropped.
func newPushSecrets() (token, aesKey string) {
	for key := make([]byte, 32); ; {
		_, _ = rand.Read(key) // never fails
		aesKey = base64.RawStdEncoding.EncodeToString(key)
		if !strings.ContainsAny(aesKey, "+/") {
			return rand.Text(), aesKey
		}
	}
}

// printWritten prints which files writeInitial has written, and whether it kept an existing master key.
func printWritten(p printer, dir string, a answers, newKey bool) {
	path := filepath.Join(dir, configName)
	switch {
	case a.Personal() && newKey:
		p.printf("Wrote %s, and beside it %s, %s and the master key %s.", path, tokenName, aesKeyName, keyName)
	case a.Personal():
		p.printf("Wrote %s, and beside it %s and %s.", path, tokenName, aesKeyName)
	case newKey:
		p.printf("Wrote %s, and beside it %s and the master key %s.", path, secretName, keyName)
	default:
		p.printf("Wrote %s, and beside it %s.", path, secretName)
	}
	if !newKey {
		p.printf("Kept the existing master key %s.", filepath.Join(dir, keyName))
	}
	p.printf("Back up the master key separately from the database.\n")
}

// printNext prints what to do at WeChat and on this machine.
func printNext(p printer, getenv func(string) string, dir string, a answers) {
	path := filepath.Join(dir, configName)
	flag := ""
	if byDefault, err := filepath.Abs(defaultConfig(getenv)); err != nil || byDefault != path {
		flag = " -c " + filemode.Quote(path)
	}
	serve, invite, proxy := "weigate serve"+flag, "weigate admin invite"+flag, "weigate proxy nginx"+flag
	if dir == systemFolder { // the Debian package's: the files of the database must belong to the service's user
		serve, invite = "systemctl enable --now weigate", "runuser -u weigate -- "+invite
	}
	if a.Personal() {
		printNextOfPersonal(p, a, serve, proxy, "weigate check"+flag, invite)
		return
	}
	p.printf("At mp.weixin.qq.com, below 设置与开发, register:")
	p.printf("  callback domain (网页授权域名)  %s", a.Hostname())
	if a.Hostname() != a.Host() {
		p.printf("                                  (with a test account, 测试号: %s)", a.Host())
	}
	p.printf("  IP allow-list (IP白名单)        the address of this machine in the internet\n")
	p.printf("Then run:")
	p.printf("  weigate check%s", flag)
	p.printf("  %s", serve)
	if a.HasProxy() {
		p.printf("  %s    (prints the configuration of nginx; or: weigate proxy caddy)", proxy)
	}
	p.printf("  %s", invite)
}

// printNextOfPersonal prints what to do with a personal account. The gateway must run before WeChat
// saves the address, and weigate check sends a message to the running gateway.
func printNextOfPersonal(p printer, a answers, serve, proxy, check, invite string) {
	p.printf("Put a reverse proxy in front, and start the gateway. WeChat checks the address when you save it:")
	if a.HasProxy() {
		p.printf("  %s    (prints the configuration of nginx; or: weigate proxy caddy)", proxy)
	}
	p.printf("  %s\n", serve)
	p.printf("Then enter at WeChat, 微信开发者平台 › 我的业务 › 公众号 › 消息与事件推送 (formerly 服务器配置):")
	p.printf("  URL             %s/wechat/push/main", a.URL)
	p.printf("  Token           %s", a.token)
	p.printf("  EncodingAESKey  %s", a.aesKey)
	p.printf("  消息加解密方式  安全模式 (secure mode)")
	p.printf("  数据格式        XML")
	p.printf("This switches off the automatic replies and the menu that were made at WeChat.\n")
	p.printf("Check that messages arrive:")
	p.printf("  %s\n", check)
	p.printf("Administer with commands, such as weigate waiting, or in a browser: open the link that this prints,\n" +
		"and press “Open the administration”.")
	p.printf("  %s", invite)
}
