// Package admission decides what happens next when a browser wants to enter an app: sign in,
// confirm, wait for approval, read why not, or enter.
//
// The names to know are [Facts], what is known of the browser and of the app's request; [Decide],
// the one pure decision, which returns the [Next] step; and [Check], which repeats it while facts
// have to be looked up. [NewLoginRequestID] names a sign-in after the request that it is for.
//
// The package knows no protocol: oidc, relay and forwardauth turn their requests into facts, and
// the steps into their answers.
package admission
