// Package admission decides what happens next when a browser requests an app: sign in, confirm,
// wait for approval, show why access is denied, or admit.
//
// The names to know are [Facts], what is known of the browser and of the app's request; [Decide], a
// pure function that returns the [Next] step; and [Check], which repeats it while facts have to be
// looked up. [NewLoginRequestID] returns an id that ties a sign-in to the request that it is for.
//
// The package implements no protocol: oidc, relay and forwardauth convert their requests into facts,
// and the steps into responses.
package admission
