// Package outgoing sends requests to servers that the configuration names: webhooks, and apps that
// take part in back-channel logout.
//
// [New] makes a [Client] with a [Policy]. [Client.Post] sends one request and returns the status
// and the beginning of the body. The package protects the gateway's network and the request's
// secrets:
//
//   - The policy checks each IP address when a socket connects to it. So a name that later resolves to
//     another address is checked again, and an unusual spelling of an address cannot evade the check.
//   - Redirects are not followed. A proxy is used only if Config.Proxy is set.
//   - The time of a request and the size of its response are limited.
//   - Errors contain no URL, since the URLs of chat robots are credentials. See [Error].
//
// Each request has its own connection. The package does not queue or repeat requests: package
// delivery does.
package outgoing
