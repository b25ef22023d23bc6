package weigate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// connecting are the names of the standard library with which a program connects to other servers, by the
// path of their package. nil = every name of the package.
var connecting = map[string][]string{
	"net": {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "Resolver", "DefaultResolver",
		"LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupNS", "LookupPort", "LookupSRV",
		"LookupTXT"},
	"net/http":          {"Get", "Head", "Post", "PostForm", "Client", "DefaultClient", "Transport", "DefaultTransport"},
	"net/http/httputil": {"ReverseProxy", "NewSingleHostReverseProxy"},
	"crypto/tls":        {"Dial", "DialWithDialer", "Dialer"},
	"os/exec":           nil,
	"net/smtp":          nil,
	"net/rpc":           nil,

	"github.com/caddyserver/certmagic": nil,
	"github.com/mholt/acmez/v3":        nil,
	"github.com/jackc/pgx/v5":          nil,
	"github.com/jackc/pgx/v5/pgxpool":  nil,
}

// connectingFiles are the files, or folders, that connect to other servers, with the part of the
// configuration that names the server. docs/en/security.md has the same list for operators.
var connectingFiles = map[string]string{
	"wechat/call.go":                "wechat[].api: WeChat",
	"internal/app/chats.go":         "wechat[].api: WeChat, with the transport of wechat",
	"internal/outgoing/client.go":   "notify[].url, apps[].backchannel_logout_uri, wechat[].push.forward",
	"internal/certificate":          "tls.acme: the certificate authority",
	"internal/store/postgres":       "store: PostgreSQL",
	"internal/cli/ping.go":          "weigate ping: listen",
	"internal/cli/check.go":         "weigate check: wechat[].api",
	"internal/cli/check_clock.go":   "weigate check: wechat[].api",
	"internal/cli/check_push.go":    "weigate check: url",
	"internal/cli/check_proxy.go":   "weigate check: url",
	"internal/cli/check_outside.go": "weigate check: tls.acme.directory, url",
	"internal/cli/check_address.go": "weigate check: url, listen",
	"internal/cli/check_sites.go":   "weigate check: apps[].hosts of kind forward_auth",
	"internal/demo":                 "weigate demo: the simulator and the gateway of this machine",
	"wechat/wechattest":             "the simulator: addresses that a simulated phone opens",
}

// TestOutgoingConnectionsAreListed: a file that can connect to another server is in connectingFiles. So a
// version check, statistics or a picture of a third party cannot come in unnoticed, whenever it would run.
func TestOutgoingConnectionsAreListed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, root := range []string{"cmd", "internal", "login", "wechat"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			path = filepath.ToSlash(path)
			switch {
			case err != nil:
				return err
			case d.IsDir() && isNotInProgram(path):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			names, err := connectingNames(path)
			if err != nil {
				return err
			}
			for entry := range connectingFiles {
				if path == entry || strings.HasPrefix(path, entry+"/") {
					used[entry] = used[entry] || len(names) > 0
					return nil
				}
			}
			if len(names) > 0 {
				t.Errorf("%s uses %v: no outgoing connection but those that the configuration names; if it names this "+
					"one, add the file to connectingFiles and docs/*/security.md", path, names)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for entry := range connectingFiles {
		if !used[entry] {
			t.Errorf("%s connects to nothing: delete it from connectingFiles", entry)
		}
	}
}

// isNotInProgram reports whether a folder has no code of the program: it is a module of its own, test
// data, or support of tests.
func isNotInProgram(folder string) bool {
	if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
		return true
	}
	name := filepath.Base(folder)
	return name == "testdata" || slices.Contains([]string{"internal/fixture", "internal/leaktest",
		"internal/store/storetest", "internal/store/postgres/postgrestest"}, folder)
}

// connectingNames returns the names of connecting that a file uses. A pointer to one of their types, such
// as a parameter of type *http.Client, is not a use: somebody else has made the client.
func connectingNames(path string) (names []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	imported := map[string]string{} // path of a package, by its name in the file
	for _, each := range file.Imports {
		from, err := strconv.Unquote(each.Path.Value)
		if err != nil {
			return nil, err
		}
		only, found := connecting[from]
		switch {
		case !found:
			continue
		case only == nil:
			names = append(names, from)
			continue
		}
		name := filepath.Base(from)
		if each.Name != nil {
			name = each.Name.Name
		}
		imported[name] = from
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr:
			_, isType := n.X.(*ast.SelectorExpr)
			return !isType
		case *ast.SelectorExpr:
			of, isName := n.X.(*ast.Ident)
			if isName && slices.Contains(connecting[imported[of.Name]], n.Sel.Name) {
				names = append(names, of.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return names, nil
}
