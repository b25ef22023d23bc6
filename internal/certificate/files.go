package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/filemode"
)

// pollInterval is how often Run looks for a new certificate. A file system event would be faster,
// but misses changes of network file systems. It also misses changes of symbolic links, with which
// Kubernetes and certbot replace files.
const pollInterval = 30 * time.Second

// remindInterval is how often a certificate that expires soon is reported again.
const remindInterval = 24 * time.Hour

// maxFile is the largest size of a file. A chain with its root has 8 kB.
const maxFile = 256 << 10

// files is a [Source] that reads a certificate and its key from files.
type files struct {
	certificate, key string // paths
	host             string // the host for which the certificate should be valid
	hooks            Hooks

	current atomic.Pointer[tls.Certificate]

	mu       sync.Mutex
	status   Status
	seen     [sha256.Size]byte // hash of the contents that were last read, and of the error if there was one
	reminded time.Time         // when a certificate that expires soon was reported last
}

// NewFiles returns a source that reads the certificate and its private key from two files in PEM
// form. The pair must be valid. host is the name in the gateway's URL: a certificate for other
// names is used, and reported.
func NewFiles(certificate, key, host string, hooks Hooks) (Source, error) {
	f := &files{certificate: certificate, key: key, host: host, hooks: hooks}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		return nil, err
	}
	f.remind()
	return f, nil
}

func (f *files) TLSConfig() *tls.Config {
	return serverConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

func (f *files) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Run reads the files every pollInterval.
func (f *files) Run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.Reload(ctx)
		}
	}
}

// Reload reads the files, and uses the new certificate if there is one. Otherwise it keeps the old
// one.
func (f *files) Reload(context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		f.hooks.Logger.Error("certificate not loaded, previous one kept", "error", err,
			"expires", f.status.NotAfter)
		f.status.Problem = err.Error()
		f.hooks.problem(ProblemNotLoaded, err.Error())
	}
	f.remind()
}

// read reads the files, and uses the certificate if it is new. It returns an error only if the
// files have changed since the last call, so that each error is reported once. The caller holds mu.
func (f *files) read() error {
	pair, seen, err := load(f.certificate, f.key)
	if err != nil {
		seen = sha256.Sum256(append(seen[:], err.Error()...))
	}
	if seen == f.seen {
		return nil
	}
	f.seen = seen
	if err != nil {
		return err
	}
	f.current.Store(pair)
	f.status, f.reminded = statusOf(FromFiles, pair.Leaf), time.Time{}
	if err := checkHost(pair, f.host); err != nil {
		f.status.Problem = err.Error()
		f.hooks.Logger.Warn("certificate not valid for the gateway", "error", err)
	}
	f.hooks.Logger.Info("certificate loaded", "names", strings.Join(f.status.Names, ", "), "issuer", f.status.Issuer,
		"expires", f.status.NotAfter)
	f.hooks.changed(f.status)
	return nil
}

// remind reports a certificate that expires soon, once a day. The caller holds mu.
func (f *files) remind() {
	now := f.hooks.now()
	if !f.status.ExpiresSoon(now) || now.Sub(f.reminded) < remindInterval {
		return
	}
	f.reminded = now
	detail := "the certificate expires at " + f.status.NotAfter.Format(time.RFC3339) + ", and " + f.certificate +
		" has no newer one"
	f.hooks.Logger.Warn("certificate expires soon", "expires", f.status.NotAfter, "file", f.certificate)
	f.hooks.problem(ProblemExpiring, detail)
}

// Load reads a certificate and its private key from two files in PEM form. It returns an error if
// the files cannot be used together. Errors contain paths, and no content.
func Load(certificate, key string) (Status, error) {
	pair, _, err := load(certificate, key)
	if err != nil {
		return Status{}, err
	}
	return statusOf(FromFiles, pair.Leaf), nil
}

// CheckHost returns an error if the certificate in a file is not valid for a host.
func CheckHost(certificate, key, host string) error {
	pair, _, err := load(certificate, key)
	if err != nil {
		return err
	}
	return checkHost(pair, host)
}

func checkHost(pair *tls.Certificate, host string) error {
	if pair.Leaf.VerifyHostname(host) == nil {
		return nil
	}
	names := statusOf(FromFiles, pair.Leaf).Names
	switch {
	case len(names) == 0:
		return fmt.Errorf("the certificate is not valid for %s: it has no subjectAltName, and browsers ignore the "+
			"common name", host)
	case net.ParseIP(host) != nil && slices.Contains(pair.Leaf.DNSNames, host):
		return fmt.Errorf("the certificate is not valid for %s: its subjectAltName needs the entry IP:%[1]s instead of "+
			"DNS:%[1]s", host)
	}
	return fmt.Errorf("the certificate is not valid for %s, but for %s", host, strings.Join(names, ", "))
}

// load reads a pair. seen is a hash of the contents.
func load(certificate, key string) (pair *tls.Certificate, seen [sha256.Size]byte, err error) {
	const isSecret = true
	certPEM, certErr := readFile(certificate, !isSecret)
	keyPEM, keyErr := readFile(key, isSecret)
	certHash, keyHash := sha256.Sum256(certPEM), sha256.Sum256(keyPEM)
	seen = sha256.Sum256(append(certHash[:], keyHash[:]...))
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, seen, err
	}
	for _, file := range []struct {
		path, block string
		content     []byte
	}{{certificate, "CERTIFICATE-----", certPEM}, {key, "PRIVATE KEY-----", keyPEM}} {
		switch {
		case !bytes.Contains(file.content, []byte("-----BEGIN ")):
			return nil, seen, fmt.Errorf("%s: not in PEM form", file.path)
		case bytes.Contains(file.content, []byte("ENCRYPTED")):
			return nil, seen, fmt.Errorf("%s: the key has a passphrase: remove it with openssl pkey", file.path)
		case !bytes.Contains(file.content, []byte(file.block)):
			return nil, seen, fmt.Errorf("%s: has no block that ends with %s", file.path, file.block)
		}
	}
	loaded, err := tls.X509KeyPair(certPEM, keyPEM) // its errors contain no content
	switch {
	case err != nil && strings.Contains(err.Error(), "does not match"):
		return nil, seen, fmt.Errorf("the key in %s does not belong to the certificate in %s, "+
			"whose own certificate must come first", key, certificate)
	case err != nil:
		return nil, seen, fmt.Errorf("%s and %s: %w", certificate, key, err)
	}
	return &loaded, seen, nil
}

// readFile reads a file, and checks its mode.
func readFile(path string, isSecret bool) ([]byte, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: %w: the gateway's user may not read it, or its folder", path, fs.ErrPermission)
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of the file that was opened: path may be replaced meanwhile
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: not a regular file of at most %d kB", path, maxFile>>10)
	}
	if err := filemode.Check(path, info, isSecret); err != nil {
		return nil, fmt.Errorf("%s: %w %s", path, err, filemode.Quote(path)) // err ends with a command that needs the path
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}
