// An app on openid-client (npm): / begins, /callback ends and shows what it learned as JSON, /bye is where sign-out leads.
import { createServer } from 'node:http'
import { webcrypto } from 'node:crypto'

// Debian 12 has node 18, where these names are not global yet; the library wants them as it loads.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const oidc = await import('openid-client')

const { ISSUER, CLIENT_ID, CLIENT_SECRET, APP_URL } = process.env

// Plain http is for the test, on this machine.
const config = await oidc.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, { execute: [oidc.allowInsecureRequests] })
const begun = new Map()
let idToken

async function begin(prompt) {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  begun.set(state, { verifier, nonce })
  return oidc.buildAuthorizationUrl(config, {
    redirect_uri: `${APP_URL}/callback`,
    scope: 'openid profile email groups wechat offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...prompt,
  })
}

async function finish(url) {
  const state = url.searchParams.get('state')
  const { verifier, nonce } = begun.get(state)
  const tokens = await oidc.authorizationCodeGrant(config, url, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  })
  idToken = tokens.id_token
  const { sub } = tokens.claims()
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, sub)
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token)
  const again = await oidc.fetchUserInfo(config, refreshed.access_token, sub)
  const live = await oidc.tokenIntrospection(config, refreshed.access_token)
  await oidc.tokenRevocation(config, refreshed.refresh_token)
  const dead = await oidc.tokenIntrospection(config, refreshed.access_token)
  return {
    sub, userinfo, refreshed: again.sub, rotated: refreshed.refresh_token !== tokens.refresh_token,
    live: live.active, dead: dead.active, iss: url.searchParams.get('iss'),
  }
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, APP_URL)
  const go = (to) => res.writeHead(302, { Location: to.href }).end()
  const show = (what) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(what))
  try {
    switch (url.pathname) {
      case '/': return go(await begin())
      case '/silent': return go(await begin({ prompt: 'none' }))
      case '/callback': return show(await finish(url))
      case '/sign-out': return go(oidc.buildEndSessionUrl(config, { id_token_hint: idToken, post_logout_redirect_uri: `${APP_URL}/bye` }))
      case '/bye': return show({ bye: true })
      default: return res.writeHead(404).end()
    }
  } catch (err) {
    show({ error: err.error ?? err.code ?? String(err), cause: String(err.cause ?? '') })
  }
})

server.listen(0, '127.0.0.1', () => console.log(`ready at http://127.0.0.1:${server.address().port}`))
process.on('SIGTERM', () => process.exit(0))
