// Package app is the composition root: it makes the gateway's http.Handler from the configuration
// and the store.
//
// [OpenStore] opens the store that the configuration names, [MasterKey] reads the master key. [New]
// makes an [App]: [App.Handler] serves, [App.Ready] reports whether it can, [App.Reload] applies a
// new configuration, [App.Close] ends the background work.
//
//	store, master key
//	  → signing keys                      one set for the life of the process
//	  → pages, sessions, access policy    made again by each reload
//	  → the features                      build.go
//	  → routes, limits                    one handler
//
// The package has no rules of its own, opens no listener and, of files, only the store and the
// master key.
package app
