// Package acmetest tests how the gateway obtains certificates by ACME. It uses Pebble, the
// certificate authority that Let's Encrypt has made for tests. The package is a module of its own,
// so that the gateway does not depend on Pebble.
package acmetest
