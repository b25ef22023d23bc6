// Package resilience tests that a sign-in survives killed processes, a rolling restart, a rotation
// of the keys, two replicas without sticky sessions, and eight identical requests at once. It has
// tests only.
//
// The gateway runs as operators run it: "weigate serve" as processes, on a SQLite file or on a
// PostgreSQL server of the test, behind a reverse proxy without sessions. WeChat is simulated in
// the process of the test, which records every code that was sent to it. The app is a relying party
// that verifies every ID token.
//
// Each test does 400 sign-ins (200 codes where eight requests redeem one). WEIGATE_SIGN_INS sets
// another number.
package resilience
