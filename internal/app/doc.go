// Package app is the composition root: from the configuration to the stores, from the stores to the features, and from them to one http.Handler.
// Nothing else wires.
//
// [OpenStore] opens the store that the configuration names, [MasterKey] its master key.
//
// It holds no rules of its own: what a sign-in, a token or an account is belongs to the packages that it puts together.
package app
