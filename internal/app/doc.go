// Package app is the composition root: from the configuration to the stores, from the stores to the features, and from them to one http.Handler.
// Nothing else wires.
//
// [OpenStore] opens the store that the configuration names, [MasterKey] its master key. [New] makes an [App] of them: [App.Handler] serves,
// [App.Ready] says whether it can, [App.Reload] puts a new configuration in place, [App.Close] ends its work in the background.
//
//	store, master key
//	  → signing keys                 one ring for the life of the process
//	  → pages, sessions, access      the rooms, made anew by each reload
//	  → sign-in, OpenID Connect      the features
//	  → mux → route                  one handler
//
// It holds no rules of its own: what a sign-in, a token or an account is belongs to the packages that it puts together. It opens no listener and, of
// files, only the store and the master key.
package app
