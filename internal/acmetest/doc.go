// Package acmetest tests certificates by ACME with Pebble, the certificate authority that Let's Encrypt
// has made for tests. It is a module of its own, so that the gateway does not depend on Pebble.
package acmetest
