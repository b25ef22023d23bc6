// Package keys seals the gateway's secrets for the database, and signs and verifies its tokens.
//
// [Sealer] has the master keys. It seals (encrypts) small values for the database ([Sealer.Seal])
// and opens (decrypts) them ([Sealer.Open]). It also derives the keys that other packages need
// ([Sealer.Derive]). [LoadOrCreate] reads the master key file, and creates it on the first start.
// To replace a master key, give a Sealer two: it seals with the first, and opens with both.
//
// [Set] is the set of signing keys. All replicas (processes with one store) share it. It creates
// the keys, signs ([Set.Sign]), publishes the public keys ([Set.JWKS]) and verifies tokens
// ([Set.Verify]). A new key is published before it signs. An old key stays published until its last
// token has expired. So an app that caches the key set can verify every token. The states of a key:
//
//	next        published, does not sign yet    for SetConfig.Lead
//	active      published, signs                for SetConfig.Period
//	replaced    published, signs no more        for SetConfig.Keep
//	expired     removed
//
// The package does not depend on HTTP or OpenID Connect.
package keys
