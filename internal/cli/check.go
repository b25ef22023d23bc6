package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/wechat"
)

// checkCmd is "weigate check": what would stop the gateway, found before it starts.
type checkCmd struct {
	configured
	Offline bool `help:"Look at the files only: open no store and ask WeChat nothing."`
}

// errChecked ends a check that has told its findings.
var errChecked = errors.New("the check found what is told above")

// Run looks at the configuration, the master key, the store, and the credentials at WeChat, and tells all that is wrong.
func (c *checkCmd) Run(s *session) error {
	conf, err := c.load(s)
	if err != nil {
		return err
	}
	s.out.say("configuration  %s: %s, %s", c.Config, count(len(conf.WeChat), "connector", "entries"), count(len(conf.Apps), "app", "apps"))
	describe(s.out, conf)
	good := true
	tell := func(name, fine string, err error) {
		if err != nil {
			s.out.fail(err)
			good = false
			return
		}
		s.out.say("%-14s %s", name, fine)
	}
	fine, master, err := checkMasterKey(conf)
	tell("master key", fine, err)
	if !c.Offline {
		fine, err := checkStore(s.ctx, conf, master, err == nil)
		tell("store", fine, err)
		for _, e := range conf.WeChat {
			fine, err := checkConnector(s.ctx, e)
			tell("wechat."+e.Name, fine, err)
		}
	}
	if !good {
		return errChecked
	}
	return nil
}

// describe names the parts of the configuration that depend on one another.
func describe(v printer, conf *config.Config) {
	line := func(name, format string, args ...any) { v.say("%-14s %s", name, fmt.Sprintf(format, args...)) }
	kinds := map[string]bool{}
	for _, e := range conf.WeChat {
		kinds[e.Kind] = true
	}
	var methods []string
	if kinds[config.OfficialAccount] {
		methods = append(methods, config.MethodWeChat, config.MethodScan)
	}
	if kinds[config.Website] {
		methods = append(methods, config.MethodWebsite)
	}
	line("methods", "%s", strings.Join(methods, ", "))
	for _, a := range conf.Apps {
		switch a.Kind {
		case gateway.AppForwardAuth:
			line("apps."+a.ID, "forward_auth for %s", strings.Join(a.Hosts, ", "))
		case gateway.AppRelay:
			through := a.Connector
			if a.WebsiteConnector != "" {
				through += ", its QR code through " + a.WebsiteConnector
			}
			line("apps."+a.ID, "relay as %s through %s, back to %s", a.AppID, through, strings.Join(a.ReturnHosts, ", "))
		}
	}
	for _, name := range conf.VerifyFiles {
		line("verify file", "/%s", name)
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// checkMasterKey reads the key without making one; nil and no error: the first start makes it.
func checkMasterKey(conf *config.Config) (string, *keys.Sealer, error) {
	name := conf.MasterKeyFile
	if conf.MasterKey != "" {
		name = "WEIGATE_MASTER_KEY"
	}
	m, err := presentMasterKey(conf)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name + " is not there yet: the first start makes it", nil, nil
	case err != nil:
		return "", nil, err
	}
	return name + ", " + m.IDs()[0], m, nil
}

// checkStore opens the store, and sees whether the master key opens what is sealed there; known is false when there is a key that could not be read.
// Nothing is changed: a SQLite file that is not there is not made, and an older database stays as it is, for the version that may be serving from it.
func checkStore(ctx context.Context, conf *config.Config, master *keys.Sealer, known bool) (string, error) {
	if path, ok := strings.CutPrefix(string(conf.Store), "sqlite:"); ok && path != ":memory:" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return conf.StoreName() + " is not there yet: the first start makes it", nil
		}
	}
	store, err := lookAtStore(ctx, conf)
	if errors.Is(err, gateway.ErrOlderDatabase) {
		return conf.StoreName() + " answers, and is empty or of an older version: the next start brings it up to date", nil
	}
	if err != nil {
		return "", err
	}
	defer store.Close()
	if err := store.Ping(ctx); err != nil {
		return "", fmt.Errorf("the store (%s): %w", conf.StoreName(), err)
	}
	switch {
	case !known:
	case master == nil:
		err = missingMasterKey(ctx, conf, store)
	default:
		err = wrongKey(keys.CheckMasterKey(ctx, store, master, time.Now()))
	}
	if err != nil {
		return "", err
	}
	return conf.StoreName() + " answers", nil
}

// madeUpCode has the form of WeChat's codes and is none.
const madeUpCode = "0weigatecheckweigatecheckweigate"

// checkEntry asks WeChat to exchange a made-up code, which official accounts and website apps do in one and the same place. When appid, secret and address are right, WeChat gets as far as the code and refuses that: 40029.
func checkConnector(ctx context.Context, e config.Connector) (string, error) {
	client := &wechat.Client{AppID: e.AppID, Secret: e.Secret, APIURL: e.API, OpenURL: e.Open}
	_, err := client.Exchange(ctx, madeUpCode)
	var answer *wechat.Error
	if !errors.As(err, &answer) {
		if err == nil {
			return "", fmt.Errorf("wechat.%s: %s exchanged a code that was made up: that is not WeChat", e.Name, e.API)
		}
		return "", fmt.Errorf("wechat.%s: %w", e.Name, err)
	}
	site, place := "mp.weixin.qq.com", "设置与开发 › 开发接口管理"
	if e.Kind == config.Website {
		site, place = "open.weixin.qq.com", "管理中心 › 网站应用"
	}
	switch answer.Code {
	case 40029:
		return "WeChat knows " + e.AppID + " and its secret, and takes calls from this address (answer 40029)", nil
	case 40013:
		return "", fmt.Errorf("wechat.%s: WeChat does not know the appid (40013): compare it with %s, %s", e.Name, site, place)
	case 40125, 40001:
		return "", fmt.Errorf("wechat.%s: the AppSecret is wrong (%d): it changes when somebody resets it (重置) at %s; put the present one in", e.Name, answer.Code, site)
	case 40164:
		return "", fmt.Errorf("wechat.%s: WeChat takes no calls from %s (40164): add that address to the IP allow-list (IP白名单) of the account", e.Name, seenAddress(answer.Message))
	}
	return "", fmt.Errorf("wechat.%s: %w", e.Name, err)
}

var addressInMessage = regexp.MustCompile(`invalid ip ([0-9a-fA-F.:]+)`)

// seenAddress is the address that WeChat saw, from its message on 40164.
func seenAddress(message string) string {
	if m := addressInMessage.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return "this server's address (which WeChat's message does not name)"
}
