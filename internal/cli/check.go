package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/errcode"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/wechat"
)

// checkCmd is "weigate check". It finds the problems that would prevent "weigate serve" from
// working, and changes nothing.
type checkCmd struct {
	configFlag
	JSON    bool `name:"json" xor:"format" help:"Print JSON, one object on each line."`
	Report  bool `xor:"format" help:"Print a report for a bug report: versions, configuration without secrets, results."`
	Offline bool `help:"Check files only, without the store and the network. Lists the servers that a firewall must allow."`
}

// errCheckFailed means that the check found problems. checkCmd.Run has already printed the
// problems, so the function Run prints nothing more.
var errCheckFailed = errors.New("the check found problems")

// Run checks the configuration, and prints the results, as a report if that is requested.
func (c *checkCmd) Run(s *invocation) error {
	if c.Report {
		return c.report(s)
	}
	return c.check(s)
}

// check checks what a gateway with this configuration needs: the master key, the certificate, the
// store, the credentials at WeChat, the clock, and the addresses on which the gateway listens. It also
// checks the public address, the address for messages that WeChat pushes (checkPush), and the other
// servers that the configuration names (checkOutside). It prints every problem, and warns of settings
// that expose the gateway to attacks (exposures), and of another address than apps know.
func (c *checkCmd) check(s *invocation) error {
	conf, err := c.read(s)
	if err != nil {
		return err
	}
	for _, w := range conf.Warnings {
		s.out.warnf("%s", w)
	}
	s.out.json = c.JSON
	printChecked(s.out, "configuration", lang.Text("%s: %s", c.Config, lang.List{
		lang.Count(len(conf.WeChat), "1 connector", "%d connectors"), lang.Count(len(conf.Apps), "1 app", "%d apps")}))
	printSummary(s.out, conf)
	printExposures(s.out, exposures(c.Config, conf))
	failed := false
	report := func(name string, result lang.Message, err error) {
		if err != nil {
			printFailedCheck(s.out, name, err)
			failed = true
			return
		}
		printChecked(s.out, name, result)
	}
	result, sealer, keyErr := checkMasterKey(conf)
	if keyErr == nil && sealer == nil && c.Offline { // otherwise checkStore compares the key with the store
		keyErr = checkNoStoreFile(conf)
	}
	report("master key", result, keyErr)
	for _, err := range checkServiceFiles(c.Config, conf) {
		report("files", lang.Message{}, err)
	}
	if conf.TLS.Certificate != "" {
		result, err := checkCertificate(conf)
		report("certificate", result, err)
	}
	if c.Offline {
		if err := refuseForeignStore(conf); err != nil {
			report("store", lang.Message{}, err)
		}
		printServers(s.out, conf, http.ProxyFromEnvironment)
	} else {
		result, known, err := checkStore(s.ctx, conf, sealer, keyErr == nil)
		report("store", result, err)
		warnOfOtherURL(s, conf, known)
		clock := newClockTransport()
		for _, conn := range conf.WeChat {
			if conn.Kind == config.SubscriptionAccount {
				continue // has no secret, and makes no calls to WeChat
			}
			result, err := checkConnector(s, conn, clock)
			report("wechat."+conn.Name, result, err)
		}
		if result, known, err := clock.check(); known {
			report("clock", result, err)
		}
		if conf.TLS.ACME.Enabled {
			result, err := checkStoredCertificate(s.ctx, conf, sealer)
			report("certificate", result, err)
		}
		checkListeners(s.ctx, conf, report)
		checkAddress(s, conf, sealer, report)
		checkPush(s.ctx, conf, report)
		checkOutside(s.ctx, conf, report)
	}
	if failed {
		return errCheckFailed
	}
	return nil
}

// printChecked prints the result of a check. A name is a key of the configuration, or a text, which
// is translated.
func printChecked(p printer, name string, result any) {
	if p.json {
		_ = p.printJSON(checkEntry{Check: name, Outcome: "ok", Result: fmt.Sprint(result)})
		return
	}
	name = p.texts.Translate(name)
	const column = 14 // width of the names, so that the results begin below each other
	p.printf("%s %s", name+strings.Repeat(" ", max(0, column-displayWidth(name))), p.text(result))
}

// checkEntry is a JSON object of "weigate check --json".
type checkEntry struct {
	Check   string `json:"check"`   // such as "store" or "wechat.main"
	Outcome string `json:"outcome"` // "ok" or "failed"
	Result  string `json:"result,omitempty"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// printFailedCheck prints the error of a check.
func printFailedCheck(p printer, name string, err error) {
	if !p.json {
		p.errorWithHint(err)
		return
	}
	entry := checkEntry{Check: name, Outcome: "failed", Error: oneLine(err.Error())}
	var h *hintError
	if errors.As(err, &h) {
		entry.Hint = oneLine(h.hint.String())
	}
	_ = p.printJSON(entry)
}

// printSummary prints what follows from the configuration: the sign-in methods, the addresses of
// apps, which apps are open to everyone, the additional certificate authorities, and WeChat's
// ownership files. WeChat requests such a file from a domain to verify its owner.
func printSummary(p printer, conf *config.Config) {
	var seen []string
	var methods lang.List
	for _, c := range conf.WeChat {
		for _, method := range c.Methods() {
			if !slices.Contains(seen, method) {
				seen = append(seen, method)
				methods = append(methods, p.word("method", method))
			}
		}
	}
	printChecked(p, "methods", methods)
	for _, a := range conf.Apps {
		switch a.Kind {
		case gateway.AppForwardAuth:
			printChecked(p, "apps."+a.ID, lang.Text("forward_auth for %s", lang.Words(a.Hosts)))
		case gateway.AppRelay:
			connectors := lang.Text("%s", a.Connector)
			if a.WebsiteConnector != "" {
				connectors = lang.Text("%s and %s", a.Connector, a.WebsiteConnector)
			}
			printChecked(p, "apps."+a.ID, lang.Text("relay with appid %s, through %s, for %s",
				a.AppID, connectors, lang.Words(a.ReturnURLs)))
		}
	}
	for _, a := range conf.Apps {
		if a.Access.Rule == gateway.AccessSignedIn {
			printChecked(p, "apps."+a.ID, lang.Text("open to every WeChat user (access: signed_in)"))
		}
	}
	if n := bytes.Count(conf.Outgoing.CAs, []byte("-----BEGIN CERTIFICATE-----")); n > 0 {
		printChecked(p, "outgoing.ca_file", lang.Count(n, "1 certificate", "%d certificates"))
	}
	for _, name := range conf.VerifyFiles {
		printChecked(p, "verify file", "/"+name)
	}
}

// checkMasterKey reads the master key and describes the result. If no key exists yet, sealer is
// nil and err is nil, because the first start creates the key.
func checkMasterKey(conf *config.Config) (result lang.Message, sealer *keys.Sealer, err error) {
	name := conf.MasterKeyFile
	if conf.MasterKey != "" {
		name = "WEIGATE_MASTER_KEY"
	}
	sealer, err = loadMasterKey(conf)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return lang.Text("%s does not exist: the first start creates it", name), nil, nil
	case err != nil:
		return lang.Message{}, nil, err
	}
	return lang.Text("%s, id %s", name, sealer.IDs()[0]), sealer, nil
}

// checkNoStoreFile returns an error if the SQLite file of a gateway without a master key exists: the
// master key is probably lost, or not yet restored. An empty file has nothing to decrypt.
func checkNoStoreFile(conf *config.Config) error {
	path, ok := conf.StoreFile()
	if !ok {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return nil
	}
	return withHint(lang.Errorf("master key %s: %w, but the database %s exists", conf.MasterKeyFile, fs.ErrNotExist, path),
		restoreKeyHint)
}

// checkStore opens the store, and checks that the master key can decrypt the signing keys in it.
// sealer is nil if no master key exists yet. checkKey is false if the master key could not be
// read. checkStore then checks only the store. It never creates or migrates a database, because a
// gateway of an older version may be using the store. known is the address that the store knows;
// zero = none.
func checkStore(
	ctx context.Context, conf *config.Config, sealer *keys.Sealer, checkKey bool,
) (result lang.Message, known gateway.ServedURL, err error) {
	if err := refuseForeignStore(conf); err != nil {
		return result, known, err
	}
	store, err := openStore(ctx, conf, app.StoreOptions{Existing: true})
	switch {
	case errors.Is(err, gateway.ErrNoDatabase):
		return lang.Text("%s does not exist: the first start creates it", conf.StoreName()), known, nil
	case errors.Is(err, gateway.ErrOlderDatabase):
		return lang.Text("%s is available, and empty or of an older version: the next start migrates it",
			conf.StoreName()), known, nil
	case err != nil:
		return result, known, err
	}
	defer store.Close()
	if err := store.Ping(ctx); err != nil {
		return result, known, storeError(conf, err)
	}
	if known, err = servedURL(ctx, store); err != nil {
		return result, known, storeError(conf, err)
	}
	switch {
	case !checkKey: // the error of the master key is reported already
	case sealer == nil:
		err = checkNoSealedKeys(ctx, conf, store)
	default:
		err = masterKeyHint(keys.CheckMasterKey(ctx, store, sealer, time.Now()))
	}
	if err != nil {
		return result, known, err
	}
	return lang.Text("%s is available", conf.StoreName()), known, nil
}

// invalidCode has the format of WeChat's codes.
const invalidCode = "0weigatecheckweigatecheckweigate"

// checkConnector checks a connector (an app at WeChat): its appid, its secret, and whether WeChat
// accepts calls from this IP address. It redeems an invalid code. WeChat checks the code last. So
// the error 40029 (invalid code) means that everything else is right.
func checkConnector(s *invocation, c config.Connector, clock *clockTransport) (result lang.Message, err error) {
	client := &wechat.Client{AppID: c.AppID, Secret: c.Secret, APIURL: c.API, OpenURL: c.Open,
		HTTPClient: &http.Client{Transport: clock}}
	_, err = client.Exchange(s.ctx, invalidCode)
	fail := func(format string, args ...any) error {
		return lang.Errorf("wechat.%s: %w", c.Name, lang.Errorf(format, args...))
	}
	var wechatErr *wechat.Error
	switch {
	case err == nil:
		return result, fail("%s accepted an invalid code: it is not WeChat", c.API)
	case errors.Is(err, wechat.ErrTransport):
		return result, withHint(fail("cannot reach WeChat at %s: %w", c.API, transportCause(err)),
			"check the DNS and the outgoing network of this machine; if it needs a proxy, set HTTPS_PROXY")
	case !errors.As(err, &wechatErr):
		return result, fail("%w", err)
	}
	console, page := "mp.weixin.qq.com", "设置与开发 › 开发接口管理"
	if c.Kind == config.Website {
		console, page = "open.weixin.qq.com", "管理中心 › 网站应用"
	}
	switch wechatErr.Code {
	case 40029:
		return lang.Text("the appid %s, its AppSecret and this machine's IP address are right "+
			"(WeChat rejected a test code with 40029, as it should)", c.AppID), nil
	case 40013:
		return result, withHint(fail("WeChat does not know the appid (40013)"), "compare it with %s, %s", console, page)
	case 40125, 40001:
		return result, withHint(fail("the AppSecret is wrong (%d)", wechatErr.Code),
			"WeChat shows it once only: reset it (重置) at %s, write it to the file of the secret, and reload the "+
				"gateway (systemctl reload weigate)", console)
	case 40164:
		return result, withHint(fail("WeChat rejects calls from %s (40164)", rejectedIP(wechatErr.Message)),
			"add the IP address to the allow-list (IP白名单) of the account")
	}
	if wechatErr.Code != 0 {
		explained := errcode.Explain(s.language(), wechatErr.Code)
		return result, withHint(fail("%w", err), "%s %s", explained.What, explained.Do)
	}
	return result, fail("%w", err)
}

var ipInMessage = regexp.MustCompile(`invalid ip ([0-9a-fA-F.:]+)`)

// rejectedIP returns the IP address in WeChat's message of error 40164.
func rejectedIP(message string) lang.Message {
	if m := ipInMessage.FindStringSubmatch(message); m != nil {
		return lang.Text("%s", m[1])
	}
	return lang.Text("this server's IP address, which its message does not contain")
}
