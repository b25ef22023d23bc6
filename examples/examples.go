// Package examples has the configurations of reverse proxies in this folder as texts. "weigate proxy"
// prints them with the hosts and addresses of an installation, so that its output and the examples
// cannot differ.
package examples

import "embed"

// The names of the configurations.
const (
	NginxGateway = "nginx-auth/login.example.com.conf" // the gateway's own host
	NginxSite    = "nginx-auth/wiki.example.com.conf"  // a site with forward auth
	NginxPath    = "nginx/www.example.com.conf"        // another site's host, with the gateway below a path
	CaddyGateway = "caddy/login.Caddyfile"             // the gateway's own host
	CaddySite    = "caddy/Caddyfile"                   // a site with forward auth
)

//go:embed nginx-auth/*.conf nginx/*.conf caddy/Caddyfile caddy/login.Caddyfile
var files embed.FS

// Text returns a configuration. It has each comment in English, and then in Chinese. Text panics if
// there is no configuration with this name.
func Text(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(text)
}
