// Package bench measures the cost of a sign-in in an app: one
// exchange of a code and one call for the profile, by Weigate's client, by
// silenceper/wechat and by hand-written net/http with encoding/json.
//
// The command in folder gateway measures the gateway as a whole.
//
// It holds benchmarks only and is a module of its own, so that the libraries
// it compares with never become dependencies of Weigate. README.md describes how to
// run it and how to read the result.
package bench
