package cli

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/newfile"
)

// initCmd is "weigate init". It writes a configuration, its secret file and a master key. It asks for
// what the flags do not say, if stdin is a terminal.
type initCmd struct {
	Dir        string   `default:"${folder}" type:"path" placeholder:"DIR" help:"Folder for the files (${default})."`
	URL        string   `name:"url" placeholder:"URL" help:"Address of the gateway in browsers: https://login.example.com."`
	AppID      string   `name:"appid" placeholder:"APPID" help:"Appid of your official account at WeChat."`
	SecretFile string   `placeholder:"FILE" help:"File with the AppSecret of the account, - for stdin."`
	Access     string   `placeholder:"WHO" help:"Who may sign in: signed_in (everyone with WeChat) or approved (users you approve)."`
	Site       []string `sep:"none" placeholder:"HOST" help:"Protect a site behind your reverse proxy; may be repeated."`
}

// The files that init writes.
const (
	configName = "weigate.yaml"
	secretName = "wechat.secret"
	keyName    = "weigate.key"
)

// The folders of the Debian package. The user of the service can read the first, and owns the second.
const (
	systemFolder = "/etc/weigate"
	systemState  = "/var/lib/weigate"
)

//go:embed initial
var initialFiles embed.FS

var initialTemplates = template.Must(template.New("").Funcs(template.FuncMap{"yaml": yamlScalar}).
	ParseFS(initialFiles, "initial/*.yaml"))

// Run collects the answers, checks them, and writes the files. If a file exists, it writes nothing.
func (c *initCmd) Run(s *invocation) error {
	dir := filepath.Clean(c.Dir)
	if err := c.refuseExisting(dir); err != nil {
		return err
	}
	a := answers{
		URL: strings.TrimSuffix(c.URL, "/"), AppID: c.AppID, Access: c.Access, Sites: c.Site, Store: "weigate.db",
	}
	if dir == systemFolder {
		a.Store = filepath.Join(systemState, a.Store)
	}
	if c.SecretFile != "" {
		text, err := readSecret(s.in, c.SecretFile)
		if err != nil {
			return err
		}
		a.secret = text
	}
	if err := ask(s, &a); err != nil {
		return err
	}
	text, err := a.text(s.language())
	if err != nil {
		return err
	}
	if err := a.check(text); err != nil {
		return err
	}
	if err := writeInitial(dir, text, a.secret); err != nil {
		return err
	}
	printNext(s.out, s.getenv, dir, a)
	return nil
}

// refuseExisting returns an error if a file exists that init would write. A master key is kept: it may
// belong to a database.
func (c *initCmd) refuseExisting(dir string) error {
	for _, name := range []string{configName, secretName} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return withHint(cmp.Or(err, lang.Errorf("%s exists, nothing was changed", path)),
				"edit it and run weigate check, or choose another folder with --dir")
		}
	}
	return nil
}

// readSecret reads the AppSecret from a file, or from stdin for "-".
func readSecret(stdin io.Reader, name string) (string, error) {
	const longest = 1 << 10
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", lang.Errorf("--secret-file: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, longest))
	if err != nil {
		return "", lang.Errorf("--secret-file: %w", err)
	}
	if secret := strings.TrimSpace(string(text)); secret != "" {
		return secret, nil
	}
	return "", errors.New("--secret-file: empty file")
}

// answers are the values of the first configuration.
type answers struct {
	URL, AppID string
	Access     string   // signed_in or approved
	Sites      []string // hosts of apps of kind forward_auth
	Store      string   // path of the database
	secret     string   // the AppSecret, which has a file of its own
}

// Host returns the host to register at WeChat.
func (a answers) Host() string {
	u, err := url.Parse(a.URL)
	if err != nil {
		return a.URL
	}
	return u.Host
}

// Name returns the id of the app for a host: the first label, or the whole host if two hosts have the
// same first label.
func (a answers) Name(host string) string {
	label, _, _ := strings.Cut(host, ".")
	for _, other := range a.Sites {
		if first, _, _ := strings.Cut(other, "."); other != host && first == label {
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

const secretVariable = "WEIGATE_WECHAT_MAIN_SECRET"

// check returns the problems that the configuration will have, by the names of the questions.
func (a answers) check(text []byte) error {
	_, err := config.Parse(configName, text, func(name string) string {
		if name == secretVariable { // the secret file does not exist yet
			return a.secret
		}
		return ""
	})
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

// initProblem is a problem of one answer.
type initProblem struct {
	flag string
	text lang.Message
}

func (p initProblem) Error() string                      { return p.Localize(nil) }
func (p initProblem) Localize(texts lang.Formats) string { return p.flag + ": " + texts.Text(p.text) }

// flagOf returns the flag of init for a key of the configuration.
func flagOf(key string) string {
	switch {
	case key == "url":
		return "--url"
	case key == "wechat.main.appid":
		return "--appid"
	case key == secretVariable:
		return "--secret-file"
	case key == "access":
		return "--access"
	case strings.HasPrefix(key, "apps"):
		return "--site"
	}
	return key
}

// plainScalar matches texts that YAML reads as strings without quotes. It includes URLs and host names.
var plainScalar = regexp.MustCompile(`^[a-z][A-Za-z0-9./_-]*(://[A-Za-z0-9.:/_-]*[A-Za-z0-9/_-])?$`)

// yamlScalar writes a text as a YAML scalar.
func yamlScalar(text string) string {
	if plainScalar.MatchString(text) {
		return text
	}
	return strconv.QuoteToASCII(text)
}

// writeInitial writes the secret file, the master key and the configuration, all or none. The
// configuration is last, so that a gateway that starts meanwhile finds all files.
func writeInitial(dir string, text []byte, secret string) (err error) {
	var written []string
	defer func() {
		if err != nil {
			for _, path := range written {
				_ = os.Remove(path)
			}
		}
	}()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return permissionHint(err)
	}
	keyPath := filepath.Join(dir, keyName)
	_, created, err := keys.LoadOrCreate(keyPath)
	if err != nil {
		return permissionHint(err)
	}
	if created {
		written = append(written, keyPath)
	}
	for _, each := range []struct {
		name string
		text []byte
	}{{secretName, []byte(secret + "\n")}, {configName, text}} {
		path := filepath.Join(dir, each.name)
		err := newfile.Create(path, func(f *os.File) error {
			_, err := f.Write(each.text)
			return err
		})
		if err != nil {
			return permissionHint(err)
		}
		written = append(written, path)
	}
	for _, path := range written {
		if err := shareWithService(path); err != nil {
			return err
		}
	}
	if _, err = config.Load(filepath.Join(dir, configName), nil); err != nil {
		return lang.Errorf("the configuration was written and cannot be read: %w", err)
	}
	return nil
}

// printNext prints what to do at WeChat and on this machine.
func printNext(p printer, getenv func(string) string, dir string, a answers) {
	path := filepath.Join(dir, configName)
	flag := ""
	if inUse, err := filepath.Abs(defaultConfig(getenv)); err != nil || inUse != path {
		flag = " -c " + path
	}
	p.printf("Wrote %s, and beside it %s and the master key %s.", path, secretName, keyName)
	p.printf("Back up the master key separately from the database.\n")
	p.printf("At mp.weixin.qq.com, below 设置与开发, register:")
	p.printf("  callback domain (网页授权域名)  %s", a.Host())
	p.printf("  IP allow-list (IP白名单)        the address of this machine in the internet\n")
	p.printf("Then run:")
	p.printf("  weigate check%s", flag)
	if dir == systemFolder {
		p.printf("  systemctl enable --now weigate")
	} else {
		p.printf("  weigate serve%s", flag)
	}
	p.printf("  weigate admin invite%s", flag)
}
