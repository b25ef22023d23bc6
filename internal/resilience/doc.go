// Package resilience tests that a sign-in survives killed processes, a rolling restart, a rotation
// of the keys, two replicas without sticky sessions, and eight identical requests at once. It has
// tests only.
//
// The gateway runs as operators run it: "weigate serve" as processes, on a SQLite file or on a
// PostgreSQL server of the test, behind a reverse proxy without sessions. WeChat is simulated in
// the process of the test. The simulation records every code that it receives. The app is a relying
// party that verifies every ID token.
//
// The tests with killed processes and a rolling restart do 400 sign-ins each. WEIGATE_SIGN_INS sets
// another number. The tests that send a request eight times do a fraction of it.
package resilience
