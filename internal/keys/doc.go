// Package keys seals the gateway's secrets for the database, and signs and verifies its tokens.
//
// [Sealer] has the master keys. It seals (encrypts) small values for the database ([Sealer.Seal]),
// opens (decrypts) them ([Sealer.Open]), and derives the keys that other packages need
// ([Sealer.Derive]). [LoadOrCreate] reads the master key file, and creates it on the first start.
// There may be several master keys, so that one can be replaced: the first seals, all of them open.
//
// [Set] is the set of signing keys, which all replicas share through the store. It creates the keys,
// signs ([Set.Sign]), publishes the public keys ([Set.JWKS]) and verifies what this gateway signed
// ([Set.Verify]). A new key is published before it signs, and an old one stays published until the
// last token that it signed has expired. So an app that caches the key set never gets a token that
// it cannot verify. The states of a key:
//
//	created     published, does not sign        for SetConfig.Lead
//	active      published, signs                for SetConfig.Period
//	replaced    published, does not sign        for SetConfig.Keep
//	expired     removed
//
// The package does not depend on HTTP or OpenID Connect.
package keys
