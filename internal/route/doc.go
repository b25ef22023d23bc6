// Package route is in front of every address of the gateway: request ids, the client's address,
// limits, the cross-origin check, headers, and a response when a handler panics.
//
// Features register their routes at a [Mux], each route with its policies. A [Router], made by
// [New] from a [Config], wraps the Mux. Handlers use [RequestID], [Address], [Cookie] and
// [SeeOther].
//
//	request → panic recovery → request id → client address → headers → body limit →
//	cross-origin check → rate limit → mux
//
// The package renders no page: Config.Fail does.
package route
