// Package route is what stands in front of every address of the gateway: names for requests, the visitor's address, limits, the cross-origin check,
// headers, and an answer when something panics.
//
// The names to know are [New] with its [Config], [Router.Wrap], which puts all of it around a mux, and [RequestID], [Address],
// [Cookie] for what is behind.
//
//	request ──→ panic caught ──→ request id ──→ visitor's address ──→ headers ──→ body limit ──→ cross-origin check ──→ rate limit ──→ mux
//
// Features register their routes at a [Mux], each route with its policies. The package renders no page: Config.Fail does.
package route
