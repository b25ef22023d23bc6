// Package relyingparty tests the gateway with relying parties of other authors: go-oidc with
// x/oauth2, openid-client on Node, oauth2-proxy, and the requests that Grafana's documentation
// describes. It also runs nginx, Caddy and Traefik's forward auth in front of the gateway. It has
// tests only.
//
// Each test runs "weigate serve" with a configuration file and a SQLite file of its own, with a
// simulator of WeChat. The package is a module of its own, so that these libraries do not become
// dependencies of the gateway. The tests need Go, node, npm and nginx. They install npm packages by
// "npm ci", and oauth2-proxy by "go install" into the user's cache folder.
package relyingparty
