package cli

import (
	"errors"
	"fmt"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/proxyconfig"
)

// proxyCmd is "weigate proxy".
type proxyCmd struct {
	Nginx proxyNginxCmd `cmd:"" help:"Print a file for nginx: the gateway's host, and each site with forward auth."`
	Caddy proxyCaddyCmd `cmd:"" help:"Print a Caddyfile: the gateway's host, and each site with forward auth."`
}

// siteFlag is the flag --site of the proxies.
type siteFlag struct {
	Site []string `sep:"none" placeholder:"HOST=URL" help:"Address of a site behind the proxy, as wiki.example.com=http://127.0.0.1:3000; may be repeated."`
}

// proxyNginxCmd is "weigate proxy nginx".
type proxyNginxCmd struct {
	configFlag
	siteFlag
	Certificate string `default:"/etc/ssl/{host}.pem" placeholder:"FILE" help:"Certificate of each host, for whose name {host} stands (${default})."`
	Key         string `default:"/etc/ssl/{host}.key" placeholder:"FILE" help:"Private key of the certificate (${default})."`
}

// Run prints the file.
func (c *proxyNginxCmd) Run(s *invocation) error {
	return printProxy(s, c.configFlag, proxyconfig.Nginx,
		proxyconfig.Options{Certificate: c.Certificate, Key: c.Key, Sites: c.Site})
}

// proxyCaddyCmd is "weigate proxy caddy".
type proxyCaddyCmd struct {
	configFlag
	siteFlag
	Certificate string `placeholder:"FILE" help:"Certificate of each host, for whose name {host} stands; without it, Caddy gets the certificates itself."`
	Key         string `placeholder:"FILE" help:"Private key of the certificate."`
}

// Run prints the file.
func (c *proxyCaddyCmd) Run(s *invocation) error {
	return printProxy(s, c.configFlag, proxyconfig.Caddy,
		proxyconfig.Options{Certificate: c.Certificate, Key: c.Key, Sites: c.Site})
}

// printProxy prints what write returns for the configuration. Warnings go to stderr, because the
// output usually goes to a file.
func printProxy(
	s *invocation, flag configFlag, write func(*config.Config, proxyconfig.Options) (string, []lang.Message, error),
	options proxyconfig.Options,
) error {
	conf, err := flag.read(s)
	if err != nil {
		return err
	}
	options.Language = s.language()
	text, warnings, err := write(conf, options)
	var refusal *proxyconfig.AdviceError
	switch {
	case errors.As(err, &refusal):
		return &hintError{err: refusal, hint: refusal.Advice}
	case err != nil:
		return err
	}
	for _, w := range warnings {
		s.out.warnf("%s", w)
	}
	_, err = fmt.Fprint(s.out.out, text)
	return err
}
