// Package relyingparty tests the gateway with relying parties of other authors:
//
//   - the clients of docs/en/clients, with the settings and the code on these pages, through one
//     gateway. If no package registry has a client, the test sends the requests that the client's
//     source code builds.
//   - oauth2-proxy.
//   - nginx, Caddy and Traefik's forward auth in front of the gateway.
//
// It has tests only. They run "weigate serve" as a process, with a configuration file and a SQLite
// file, and a simulator of WeChat. The package is a module of its own, so that the clients'
// libraries do not become dependencies of the gateway. build/deps.sh installs the programs and the
// libraries of other languages. The tests install npm packages with "npm ci", and oauth2-proxy with
// "go install", into the user's cache folder.
package relyingparty
