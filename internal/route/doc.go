// Package route processes every request of the gateway before its handler. It assigns the request
// id, determines the client's IP address, sets headers, checks cross-origin requests and rate
// limits, and responds when a handler panics.
//
// Each feature of the gateway registers its routes with a [Mux], and each route has policies: rules
// such as a rate limit. A [Router] wraps the Mux and applies the policies. [New] makes a Router
// from a [Config]. Handlers use [RequestID], [Address] and [SeeOther].
//
//	request → panic recovery → request id → client address → headers → cookies → body →
//	rate limit → cross-origin check → mux
//
// The package does not render pages: Config.Fail responds with an error page.
package route
