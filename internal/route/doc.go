// Package route processes every request of the gateway before its handler: it assigns the request
// id, determines the client's IP address, sets headers, checks cross-origin requests and rate limits,
// and responds when a handler panics.
//
// Features register their routes with a [Mux], each route with its policies. A [Router], made by
// [New] from a [Config], wraps the Mux. Handlers use [RequestID], [Address] and
// [SeeOther].
//
//	request → panic recovery → request id → client address → headers → cookies → body →
//	rate limit → cross-origin check → mux
//
// The package does not render pages: Config.Fail responds with an error page.
package route
