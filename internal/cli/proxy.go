package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

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
	Certificate string `placeholder:"FILE" help:"Certificate of each host, for whose name {host} stands (/etc/ssl/{host}.pem)."`
	Key         string `placeholder:"FILE" help:"Private key of the certificate (/etc/ssl/{host}.key)."`
}

// Run prints the file. Both files of the certificate have a default, or neither: a given certificate
// with the default key is a wrong pair, with which nginx does not start.
func (c *proxyNginxCmd) Run(s *invocation) error {
	if c.Certificate == "" && c.Key == "" {
		c.Certificate, c.Key = "/etc/ssl/{host}.pem", "/etc/ssl/{host}.key"
	}
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
	for _, w := range append(warnings, certificateWarnings(proxyconfig.Files(conf, options))...) {
		s.out.warnf("%s", w)
	}
	_, err = fmt.Fprint(s.out.out, text)
	return err
}

// certificateWarnings returns warnings for files that are missing or that this user cannot read. The
// proxy may run on another machine or as another user, so neither is an error.
func certificateWarnings(files []string) (warnings []lang.Message) {
	var missing, unreadable []string
	for _, name := range files {
		switch info, err := os.Stat(name); { // follows links; a named pipe is not opened
		case errors.Is(err, fs.ErrPermission):
			unreadable = append(unreadable, name)
			continue
		case err != nil || !info.Mode().IsRegular():
			missing = append(missing, name)
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			unreadable = append(unreadable, name)
			continue
		}
		_ = f.Close()
	}
	if len(missing) > 0 {
		warnings = append(warnings, lang.Text("not on this machine: %s; the proxy rejects its whole configuration "+
			"without these files: get them first, or name others by --certificate and --key", lang.Words(missing)))
	}
	if len(unreadable) > 0 {
		warnings = append(warnings, lang.Text("this user cannot read %s; make sure that the proxy can",
			lang.Words(unreadable)))
	}
	return warnings
}
