// Package route is what stands in front of every address of the gateway: names for requests, the visitor's address, limits, the cross-origin check,
// headers, and an answer when something panics.
//
// The names to know are [New] with its [Config], [Router.Wrap], which puts all of it around a mux, and [RequestID], [Address],
// [Cookie] for what is behind. Features add their routes to the mux by their own Mount method ([Mount]).
//
//	request ──→ panic caught ──→ request id ──→ visitor's address ──→ headers ──→ body limit ──→ cross-origin check ──→ rate limit ──→ mux
//
// What it does not do: it shows no page (Config.Fail does) and knows no feature; which paths are exempt or limited is told to it.
package route

import "net/http"

// Mount is a feature that adds its routes to a mux, each with the prefix of the gateway's own address.
type Mount interface {
	Mount(mux *http.ServeMux)
}
