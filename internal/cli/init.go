package cli

import (
	"cmp"
	"embed"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/newfile"
)

// initCmd is "weigate init". It writes a configuration, the files of its secrets and a master key.
// If stdin is a terminal, it asks for the required values that no flag sets.
type initCmd struct {
	Dir         string   `default:"${folder}" type:"path" placeholder:"DIR" help:"Folder for the files (${default})."`
	URL         string   `name:"url" placeholder:"URL" help:"Address of the gateway in browsers: https://login.example.com."`
	Kind        string   `placeholder:"KIND" help:"Your account at WeChat: official_account (verified service account or test account, the default) or subscription_account (every other account, such as a personal one)."`
	AppID       string   `name:"appid" placeholder:"APPID" help:"Appid of your account at WeChat."`
	SecretFile  string   `placeholder:"FILE" help:"File with the AppSecret of an official_account, - for stdin."`
	AccountName string   `placeholder:"NAME" help:"Name of a subscription_account in WeChat. Users send a message to it."`
	AccountID   string   `placeholder:"ID" help:"WeChat ID (微信号) of a subscription_account, by which users find it; optional."`
	Access      string   `placeholder:"WHO" help:"Who may sign in: signed_in (everyone with WeChat) or approved (users you approve)."`
	Title       string   `placeholder:"TEXT" help:"Name of the sign-in pages, such as Example Login (the host of --url)."`
	Contact     string   `placeholder:"TEXT" help:"Whom users ask: a text, or a URL such as mailto:it@example.com."`
	Site        []string `sep:"none" placeholder:"HOST" help:"Protect a site behind your reverse proxy, as HOST or HOST=NAME; may be repeated."`
}

// The files that init writes.
const (
	configName = "weigate.yaml"
	secretName = "wechat.secret"
	tokenName  = "wechat.token"
	aesKeyName = "wechat.aes_key"
	keyName    = "weigate.key"
)

// storeName is the name of the database in a configuration of init. The gateway creates it.
const storeName = "weigate.db"

// The folders of the Debian package. The user of the service can read systemFolder, and owns
// systemState.
const (
	systemFolder = "/etc/weigate"
	systemState  = "/var/lib/weigate"
	systemGroup  = "weigate" // reads the files in systemFolder
)

// stateFolder returns where the database of a configuration in dir is.
func stateFolder(dir string) string {
	if dir == systemFolder {
		return systemState
	}
	return dir
}

// storeFiles returns the files of the SQLite database at path.
func storeFiles(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal", path + ".lock"}
}

//go:embed initial
var initialFiles embed.FS

// initialTemplates are templates of the configuration, with comments in one language each.
var initialTemplates = template.Must(template.New("").Funcs(template.FuncMap{"yaml": yamlScalar}).
	ParseFS(initialFiles, "initial/*.yaml"))

// Run collects the answers, checks them, and writes the files. If a file exists, it writes nothing.
func (c *initCmd) Run(s *invocation) error {
	dir := filepath.Clean(c.Dir)
	if err := c.refuseExisting(dir); err != nil {
		return err
	}
	if err := refusePlanted(dir); err != nil {
		return err
	}
	a := answers{
		URL: strings.TrimSuffix(c.URL, "/"), Kind: c.Kind, AppID: c.AppID, AccountName: c.AccountName,
		AccountID: c.AccountID, Access: c.Access, Title: c.Title, Contact: c.Contact, Sites: sitesOf(c.Site),
		Store: storeName,
	}
	if dir == systemFolder {
		a.Store, a.Group = filepath.Join(stateFolder(dir), a.Store), systemGroup
	}
	if err := c.refuseOtherKind(); err != nil {
		return err
	}
	if c.SecretFile != "" {
		text, err := readSecret(s.in, c.SecretFile)
		if err != nil {
			return err
		}
		a.secret = text
	}
	if err := a.checkGiven(s.language()); err != nil { // before the questions, whose answers would be lost
		return err
	}
	if err := ask(s, &a); err != nil {
		return err
	}
	if a.Personal() {
		a.token, a.aesKey = newPushSecrets()
	}
	text, err := a.text(s.language())
	if err != nil {
		return err
	}
	if err := a.check(text); err != nil {
		return err
	}
	newKey, err := writeInitial(dir, append(a.secretFiles(), initialFile{configName, string(text)}))
	if err != nil {
		return err
	}
	printWritten(s.out, dir, a, newKey)
	printNext(s.out, s.getenv, dir, a)
	return nil
}

// refuseExisting returns an error if the configuration or the file of a secret exists. If a master
// key exists, init uses it: the database can contain values that it encrypted.
func (c *initCmd) refuseExisting(dir string) error {
	for _, name := range []string{configName, secretName, tokenName, aesKeyName} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return withHint(cmp.Or(err, lang.Errorf("%s exists, nothing was changed", path)),
				"edit it and run weigate check, or choose another folder with --dir")
		}
	}
	return nil
}

// refuseOtherKind returns an error if init cannot write a configuration for the kind of account, or
// if a flag is for the other kind.
func (c *initCmd) refuseOtherKind() error {
	personal, official := string(config.SubscriptionAccount), string(config.OfficialAccount)
	switch {
	case c.Kind != "" && c.Kind != personal && c.Kind != official:
		return lang.Errorf("--kind: must be %s or %s", official, personal)
	case c.Kind == personal && c.SecretFile != "":
		return lang.Errorf("--secret-file: only for --kind %s", official)
	case c.Kind != personal && c.AccountName != "":
		return lang.Errorf("--account-name: only for --kind %s", personal)
	case c.Kind != personal && c.AccountID != "":
		return lang.Errorf("--account-id: only for --kind %s", personal)
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

// plainScalar matches texts that YAML reads as strings without quotes. It includes URLs and host names.
var plainScalar = regexp.MustCompile(`^[a-z][A-Za-z0-9./_-]*(://[A-Za-z0-9.:/_-]*[A-Za-z0-9/_-])?$`)

// yamlWords are the words that YAML 1.1 or 1.2 reads as another type than a string.
var yamlWords = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

// yamlScalar writes a text as a YAML scalar.
func yamlScalar(text string) string {
	if plainScalar.MatchString(text) && !slices.Contains(yamlWords, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(text)
}

// initialFile is a file that init writes.
type initialFile struct{ name, text string }

// writeInitial writes the files and, if there is none, the master key. newKey reports whether it
// wrote the key. After an error, writeInitial removes what it has written. The configuration is the
// last file, so that a gateway that starts meanwhile finds all files.
func writeInitial(dir string, files []initialFile) (newKey bool, err error) {
	var written []string
	defer func() {
		if err != nil {
			for _, path := range written {
				_ = os.Remove(path)
			}
		}
	}()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return false, permissionHint(err)
	}
	if err := refusePlanted(dir); err != nil { // again: questions take time, and the folder was perhaps missing
		return false, err
	}
	keyPath := filepath.Join(dir, keyName)
	newKey, err = keys.Create(keyPath, shareWithService)
	if err != nil {
		return false, permissionHint(err)
	}
	if newKey {
		written = append(written, keyPath)
	}
	if _, err := keys.Load(keyPath); err != nil {
		return false, permissionHint(err)
	}
	for _, each := range files {
		path := filepath.Join(dir, each.name)
		err := newfile.Create(path, func(f *os.File) error {
			if _, err := f.WriteString(each.text); err != nil {
				return err
			}
			return shareWithService(f)
		})
		if err != nil {
			return false, permissionHint(err)
		}
		written = append(written, path)
	}
	if _, err = config.Load(filepath.Join(dir, configName), nil); err != nil {
		return false, lang.Errorf("the configuration was written and cannot be read: %w", err)
	}
	return newKey, nil
}
