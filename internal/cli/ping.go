package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/lang"
)

// pingCmd is "weigate ping": the health check of a container. It needs no shell and no curl, and
// reads the gateway's address from the configuration.
type pingCmd struct {
	adminFlags
	Live bool `help:"Ask only whether the process answers (/healthz), not whether its store is available (/readyz)."`
}

// pingTimeout is how long ping waits. It is longer than the gateway's own check of the store, and
// shorter than the timeout of HEALTHCHECK in the Dockerfile.
const pingTimeout = 4 * time.Second

// Run requests a health check from the gateway that runs on this machine with this configuration.
func (c *pingCmd) Run(s *invocation) error {
	conf, err := c.read(s)
	if err != nil {
		return err
	}
	path := "/readyz"
	if c.Live {
		path = "/healthz"
	}
	ctx, cancel := context.WithTimeout(s.ctx, pingTimeout)
	defer cancel()
	scheme := "http"
	if conf.TLS.Enabled() {
		scheme = "https"
	}
	text, err := ping(ctx, conf.Listen, scheme, path)
	if err != nil {
		return withHint(lang.Errorf("the gateway at %s: %w", conf.Listen, err), "read the log: %s", logOf(c.Config))
	}
	if c.JSON {
		return s.out.printJSON(struct {
			Address string `json:"address"`
			Path    string `json:"path"`
			Answer  string `json:"answer"`
		}{conf.Listen, path, text})
	}
	s.out.printf("%s", text)
	return nil
}

// ping requests a health check from the address that a gateway listens on, and returns its answer.
// An unspecified address, such as 0.0.0.0, means this machine. It does not verify a certificate: the
// address is this machine, and the request contains no secret.
func ping(ctx context.Context, listen, scheme, path string) (string, error) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, listen)
		},
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost"+path, nil)
	if err != nil {
		return "", err
	}
	res, err := (&http.Client{Transport: transport}).Do(r)
	var opErr *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "", lang.Errorf("no answer in %s", pingTimeout)
	case errors.As(err, &opErr):
		return "", opErr.Err // without the address, which Run adds
	case err != nil:
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if res.StatusCode != http.StatusOK {
		return "", lang.Errorf("%s: %s", res.Status, text)
	}
	return text, nil
}
