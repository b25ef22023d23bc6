package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat/wechattest"
)

// simCmd is "weigate sim". It serves a simulated WeChat. Developers test their own apps with it.
type simCmd struct {
	Addr        string   `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Address of WeChat's pages and API (${default})."`
	ControlAddr string   `default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Address of the control page (${default})."`
	App         []string `sep:"none" placeholder:"APPID:SECRET:DOMAIN[,DOMAIN]" help:"An official account with its callback domains; an IP address makes it a test account. Repeatable. Without apps there are three examples."`
	WebsiteApp  []string `sep:"none" placeholder:"APPID:SECRET:DOMAIN" help:"A website app of the open platform. Repeatable."`
	Account     []string `name:"subscription-account" sep:"none" placeholder:"APPID:SECRET" help:"An unverified subscription account (公众号), as private persons have: only its chat. Repeatable."`
	Push        []string `sep:"none" placeholder:"APPID:TOKEN:AESKEY:URL" help:"Message push of an account to your server, in secure mode. An empty AESKEY means plaintext mode. Repeatable."`
	ConsentAs   string   `placeholder:"PERSON" help:"Every sign-in succeeds at once as this person (alice, xiaoming, …), without a consent page."`
	AnyBrowser  bool     `help:"Show the pages of official accounts to every browser, not only to WeChat."`
	TLSAddr     string   `name:"tls-addr" and:"tls" placeholder:"HOST:PORT" help:"Also serve TLS as open.weixin.qq.com and api.weixin.qq.com here, for programs with fixed host names."`
	CAOut       string   `name:"ca-out" and:"tls" type:"path" placeholder:"FILE" help:"Write the certificate authority of --tls-addr to this file. It is valid for this run only."`
	Seed        uint64   `placeholder:"N" help:"Repeat the run that printed this seed: same openids, codes and tokens."`
	Host        []string `placeholder:"NAME" help:"A further host name under which clients reach the simulator, such as its name in a Docker network. Repeatable."`
	JSON        bool     `name:"json" help:"Print the addresses, apps and people as one line of JSON."`
}

// Run serves until the context is cancelled.
func (c *simCmd) Run(s *invocation) error {
	apps, err := c.apps()
	if err != nil {
		return err
	}
	run := &servers{out: s.out}
	defer run.close()
	pages, err := run.listenFlag("--addr", c.Addr)
	if err != nil {
		return err
	}
	control, err := run.listenFlag("--control-addr", c.ControlAddr)
	if err != nil {
		return err
	}
	wx, err := wechattest.New(wechattest.Config{
		Apps:       apps,
		Seed:       c.Seed,
		QR:         qrSVG,
		ControlURL: address(control),
		Hosts:      c.Host,
		Quirks:     wechattest.Quirks{AnyBrowser: c.AnyBrowser, ConsentAs: c.ConsentAs},
	})
	if err != nil {
		return simError(err)
	}
	defer wx.Close()
	run.handle(pages, wx)
	run.handle(control, simulator.New(simulator.Config{Server: wx, OpenURL: address(pages), Hosts: c.Host}))
	started := simStart{
		Pages: address(pages), API: address(pages), Control: address(control), Seed: strconv.FormatUint(wx.Seed(), 10),
		Ports: map[string]int{"pages": port(pages), "control": port(control)},
	}
	listeners := []net.Listener{pages, control}
	if c.TLSAddr != "" {
		l, err := c.serveTLS(run, wx)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
		started.TLS, started.CA, started.Ports["tls"] = l.Addr().String(), c.CAOut, port(l)
	}
	started.addRegistered(wx, len(c.App)+len(c.WebsiteApp)+len(c.Account) == 0)
	if c.JSON {
		err = started.printJSON(s.out)
	} else {
		started.print(s.out)
	}
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if !isLoopback(l) {
			s.out.warnf("%s can be reached from other machines, and everyone who reaches it can sign in as anyone: "+
				"use it in a trusted network only", l.Addr())
			break
		}
	}
	return run.run(s.ctx)
}

// serveTLS serves TLS under WeChat's host names. The certificate authority is made for this run,
// and written to --ca-out.
func (c *simCmd) serveTLS(run *servers, wx *wechattest.Server) (net.Listener, error) {
	authority, err := wechattest.NewAuthority()
	if err != nil {
		return nil, lang.Errorf("make a certificate authority: %w", err)
	}
	l, err := run.listenFlag("--tls-addr", c.TLSAddr)
	if err != nil {
		return nil, err
	}
	run.handleTLS(l, authority.TLSConfig(), wx)
	if err := writePEM(c.CAOut, authority.PEM()); err != nil {
		return nil, lang.Errorf("--ca-out: %w", err)
	}
	return l, nil
}

// writePEM writes a certificate to a file. If the file exists and is not a certificate, writePEM
// returns an error: a mistyped name must not destroy another file.
func writePEM(name string, certificate []byte) error {
	old, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(old) > 0 && !bytes.HasPrefix(old, []byte("-----BEGIN CERTIFICATE-----")):
		return lang.Errorf("%s exists and is not a certificate: choose another name", name)
	}
	return os.WriteFile(name, certificate, 0o644) // a certificate is not secret
}

// apps parses the flags --app, --website-app, --subscription-account and --push. Without any of
// them it returns nil, which means the simulator's example apps.
func (c *simCmd) apps() ([]wechattest.App, error) {
	var apps []wechattest.App
	for _, each := range c.App {
		a, err := parseApp("--app", each)
		if err != nil {
			return nil, err
		}
		for _, d := range a.Domains {
			if isIP(d) { // only a test account can have one as callback domain
				a.Kind = wechattest.TestAccount
			}
		}
		apps = append(apps, a)
	}
	for _, each := range c.WebsiteApp {
		a, err := parseApp("--website-app", each)
		if err != nil {
			return nil, err
		}
		a.Kind = wechattest.WebsiteApp
		apps = append(apps, a)
	}
	for _, each := range c.Account {
		parts := strings.SplitN(each, ":", 2)
		if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return nil,
				lang.Errorf("--subscription-account: expected APPID:SECRET, such as wx0123456789abcdef:any-secret")
		}
		apps = append(apps, wechattest.App{Kind: wechattest.SubscriptionAccount, AppID: parts[0], Secret: parts[1]})
	}
	for i := range apps {
		apps[i].OpenPlatform = "sim" // one open platform account: a user has one unionid at all apps
	}
	return c.addPush(apps)
}

// addPush parses --push and adds it to the apps, or to the example apps if apps is nil.
func (c *simCmd) addPush(apps []wechattest.App) ([]wechattest.App, error) {
	if apps == nil && len(c.Push) > 0 {
		apps = wechattest.DefaultApps()
	}
	for _, each := range c.Push {
		parts := strings.SplitN(each, ":", 4)
		if len(parts) != 4 || parts[0] == "" || parts[1] == "" || parts[3] == "" {
			// The value is not in the error: it may contain the token and key of a real account.
			return nil, lang.Errorf("--push: expected APPID:TOKEN:AESKEY:URL, " +
				"such as wx0123456789abcdef:pushtoken::http://127.0.0.1:8080/wechat/push")
		}
		i := slices.IndexFunc(apps, func(a wechattest.App) bool { return a.AppID == parts[0] })
		if i < 0 {
			return nil, lang.Errorf("--push: no app has the appid %s", parts[0])
		}
		p := wechattest.Push{Token: parts[1], AESKey: parts[2], URL: parts[3]}
		if p.AESKey == "" {
			p.Mode = wechattest.PushPlaintext
		}
		apps[i].Push = p
	}
	return apps, nil
}

// parseApp parses APPID:SECRET:DOMAIN[,DOMAIN]. The app is an official account: its Kind is zero.
func parseApp(flag, value string) (wechattest.App, error) {
	parts := strings.SplitN(value, ":", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		// The value is not in the error: it may contain the secret of a real app.
		return wechattest.App{}, lang.Errorf("%[1]s: expected APPID:SECRET:DOMAIN, "+
			"such as %[1]s wx0123456789abcdef:any-secret:localhost", flag)
	}
	return wechattest.App{AppID: parts[0], Secret: parts[1], Domains: strings.Split(parts[2], ",")}, nil
}

// isIP reports whether a callback domain is an IP address, with or without a port.
func isIP(domain string) bool {
	_, err := netip.ParseAddr(origin.Hostname(domain))
	return err == nil
}

// simError rewrites an error of package wechattest for users of the command: it names the flag
// --consent-as instead of the field.
func simError(err error) error {
	return errors.New(strings.NewReplacer("wechattest: ", "", "consent as", "--consent-as").Replace(err.Error()))
}

// address returns the URL of a listener for a browser on this machine.
func address(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + l.Addr().String()
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		switch {
		case ip.IsUnspecified():
			host = "127.0.0.1"
		case ip.Is6() && ip.IsLoopback():
			host = "localhost" // WeChat has no callback domains in brackets
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}

// qrSVG returns a QR code as SVG. Package wechattest has no dependencies and cannot make QR codes,
// so it receives this function. text must be ASCII: QR readers disagree on the character set of
// other bytes.
func qrSVG(text string) ([]byte, error) {
	code, err := go_qr.EncodeText(text, go_qr.Medium)
	if err != nil {
		return nil, lang.Errorf("QR code: %w", err)
	}
	// Six pixels a module, and a quiet zone of four modules (ISO/IEC 18004).
	svg, err := code.ToSVGBytes(go_qr.NewQrCodeImgConfig(6, 4, go_qr.WithOptimalSVG()))
	if err != nil {
		return nil, lang.Errorf("QR code: %w", err)
	}
	return svg, nil
}
