// Package keys holds what the gateway keeps secret at rest and what it signs with.
//
// [Master] is the set of master keys: it seals small values for the database ([Master.Seal],
// [Master.Open]) and derives the keys that other parts need ([Master.Derive]). [LoadOrCreate] reads
// the master key file, and makes it on the first start. Several keys may be given, so that one can
// be replaced: the first one seals, all of them open.
//
// [Ring] is the set of signing keys: it makes them once for all replicas, signs ([Ring.Sign]),
// publishes ([Ring.JWKS]) and checks what this gateway signed ([Ring.Verify]). A new key is
// published before it signs, and an old one stays published until the last token that it signed has
// expired, so that an app which keeps the key set for a while never meets a token that it cannot
// check:
//
//	made        published, signs nothing        for Config.Lead
//	active      published, signs                for Config.Period
//	replaced    published, signs nothing        for Config.Keep
//	expired     gone
//
// The package does no HTTP, and it knows nothing of OpenID Connect. What it signs is the caller's.
package keys
