// Package resilience shows that a sign-in survives what happens to servers: kill -9, a rolling restart, keys that rotate, two replicas without sticky
// sessions, requests that come eight at a time. It has tests only.
//
// The gateway runs as its operator runs it: "weigate serve" as processes, on a SQLite file or on a PostgreSQL of the test's own, behind a reverse
// proxy that knows no sessions. WeChat is simulated in the test's process, which keeps a list of every code that was sent to it. People are plain
// cookie jars that go where they are sent; the app is a strict relying party that verifies every ID token.
//
// Each test does 400 sign-ins (200 codes where eight redeem one); WEIGATE_SIGN_INS sets another number, and a run in full is 1000.
package resilience
