// Package relyingparty tests the gateway with relying parties that were written by others: go-oidc with
// x/oauth2, openid-client on Node, oauth2-proxy, and what Grafana's documentation says that Grafana
// does. It also puts a real nginx in front. It holds tests only.
//
// Each test runs the real program, "weigate serve" with a configuration file and a SQLite file of its
// own, beside a simulated WeChat; people are the simulator's phones. It is a module of its own, so that
// the libraries of others stay out of the gateway's. Its tests need Go, node, npm and nginx, and bring
// the rest: npm packages by "npm ci", oauth2-proxy by "go install" into the user's cache folder.
package relyingparty
