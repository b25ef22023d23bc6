// Serves the apps of docs/en/clients/node.md and authjs.md, each on a port of its own: app.mjs ID=FILE ... A file that
// exports begin is the one of openid-client, one with config has the configuration of Auth.js, and those with outline
// and immich the settings of these apps.
import { createServer } from 'node:http'
import { webcrypto } from 'node:crypto'

// Debian 12 has node 18, where these names are not global yet; the libraries need them as they load.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const oidc = await import('openid-client')
const { Auth } = await import('@auth/core')

// openidClient is an app around begin and finish: / begins a sign-in, /callback ends it and shows what the
// app learned as JSON, /bye is where sign-out leads.
function openidClient({ config, begin, finish, signOut }) {
  const begun = new Map()
  let idToken

  async function start(res, parameters) {
    const { url, session } = await begin(parameters)
    begun.set(session.state, session)
    res.writeHead(302, { Location: url.href }).end()
  }

  async function learn(url) {
    const { tokens, user } = await finish(url, begun.get(url.searchParams.get('state')) ?? {})
    idToken = tokens.id_token
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token)
    const again = await oidc.fetchUserInfo(config, refreshed.access_token, user.sub)
    const live = await oidc.tokenIntrospection(config, refreshed.access_token)
    await oidc.tokenRevocation(config, refreshed.refresh_token)
    const dead = await oidc.tokenIntrospection(config, refreshed.access_token)
    return {
      sub: user.sub, name: user.name, userinfo: user, refreshed: again.sub,
      rotated: refreshed.refresh_token !== tokens.refresh_token, live: live.active, dead: dead.active,
      iss: url.searchParams.get('iss'),
    }
  }

  return async (req, res, url) => {
    const show = (what) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(what))
    try {
      switch (url.pathname) {
        case '/': return await start(res)
        case '/silent': return await start(res, { prompt: 'none' })
        case '/callback': return show(await learn(url))
        case '/sign-out': return res.writeHead(302, { Location: signOut(idToken).href }).end()
        case '/bye': return show({ bye: true })
        default: return res.writeHead(404).end()
      }
    } catch (err) {
      show({ error: err.error ?? err.code ?? String(err), cause: String(err.cause ?? '') })
    }
  }
}

// cookiesOf returns the values of Set-Cookie. Debian 12's node has no getSetCookie. There the values are
// joined by commas, and a date contains a comma too.
function cookiesOf({ headers }) {
  return headers.getSetCookie?.() ?? (headers.get('set-cookie') ?? '').split(/, (?=[^;, ]+=)/).filter(Boolean)
}

// authJS passes requests below the base path to Auth.js, and shows the session elsewhere.
function authJS({ config }) {
  return async (req, res, url) => {
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    const own = url.pathname.startsWith(config.basePath + '/')
    const request = new Request(own ? url : new URL(config.basePath + '/session', url), {
      method: own ? req.method : 'GET',
      headers: Object.entries(req.headers).flatMap(([name, v]) => [v].flat().map((value) => [name, value])),
      body: own && req.method === 'POST' ? Buffer.concat(chunks) : undefined,
    })
    const response = await Auth(request, config)
    for (const cookie of cookiesOf(response)) res.appendHeader('Set-Cookie', cookie)
    response.headers.forEach((value, name) => name === 'set-cookie' || res.setHeader(name, value))
    let body = await response.text()
    if (!own) {
      const { user } = JSON.parse(body) ?? {}
      body = JSON.stringify({ sub: user?.id, name: user?.name })
    }
    res.writeHead(response.status).end(body)
  }
}

// outline is an app on passport-oauth2 with the options of Outline's plugins/oidc/server/auth/oidcRouter.ts. As
// there, discovery yields the endpoints, userinfo the user, and a cookie belongs to the state.
async function outline({ outline: env }) {
  const found = await (await fetch(`${env.OIDC_ISSUER_URL}/.well-known/openid-configuration`)).json()
  const begun = new Map()
  const store = {
    store(req, verifier, state, meta, callback) {
      const value = oidc.randomState()
      begun.set(value, { verifier, cookie: oidc.randomState() })
      req.res.appendHeader('Set-Cookie', `oauth_csrf=${begun.get(value).cookie}; HttpOnly; Secure; SameSite=Lax; Path=/`)
      callback(null, value)
    },
    verify(req, state, callback) {
      const { verifier, cookie } = begun.get(state) ?? {}
      const own = cookie && req.headers.cookie?.includes(`oauth_csrf=${cookie}`)
      callback(null, own ? verifier : false, state)
    },
  }
  const { default: Strategy } = await import('passport-oauth2')
  const strategy = new Strategy({
    authorizationURL: found.authorization_endpoint, tokenURL: found.token_endpoint, clientID: env.OIDC_CLIENT_ID,
    clientSecret: env.OIDC_CLIENT_SECRET, callbackURL: `${env.URL}/auth/oidc.callback`, passReqToCallback: true,
    scope: env.OIDC_SCOPES, store, state: true, pkce: found.code_challenge_methods_supported.includes('S256'),
  }, async (req, accessToken, refreshToken, params, profile, done) => {
    const headers = { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' }
    const user = await (await fetch(found.userinfo_endpoint, { headers })).json()
    done(null, { ...user, username: user[env.OIDC_USERNAME_CLAIM], idToken: params.id_token })
  })
  let idToken

  return (req, res, url) => {
    const show = (what) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(what))
    if (url.pathname === '/auth/oidc.logout') {
      const logout = new URL(found.end_session_endpoint)
      logout.search = new URLSearchParams({ id_token_hint: idToken, client_id: env.OIDC_CLIENT_ID,
        post_logout_redirect_uri: env.URL })
      return res.writeHead(302, { Location: logout.href }).end()
    }
    if (!url.pathname.startsWith('/auth/oidc')) return show({ bye: true })
    req.query = Object.fromEntries(url.searchParams)
    req.res = res
    Object.assign(Object.create(strategy), {
      redirect: (to) => res.writeHead(302, { Location: to }).end(),
      success: (user) => { idToken = user.idToken; show({ ...user, userinfo: user }) },
      fail: (challenge) => show({ error: challenge?.message ?? 'refused' }),
      error: (err) => show({ error: err.code ?? String(err), cause: String(err.oauthError?.data ?? '') }),
    }).authenticate(req, {})
  }
}

// immich is an app on openid-client as Immich uses it in server/src/repositories/oauth.repository.ts. / begins a
// sign-in in a browser, /mobile one of the app, whose address the test passes to /finish.
async function immich({ immich: conf, url: own }) {
  const config = await oidc.discovery(new URL(conf.issuerUrl), conf.clientId, { client_secret: conf.clientSecret,
    response_types: ['code'], id_token_signed_response_alg: conf.signingAlgorithm },
  oidc.ClientSecretPost(conf.clientSecret), { timeout: conf.timeout })
  const begun = new Map()

  async function authorize(res, redirectUri) {
    const state = oidc.randomState()
    const verifier = oidc.randomPKCECodeVerifier()
    begun.set(state, verifier)
    const url = oidc.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope: conf.scope, state,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' })
    res.writeHead(302, { Location: url.href }).end()
  }

  async function finish(url) {
    const state = url.searchParams.get('state')
    if (!begun.has(state)) throw new Error('OAuth state is missing')
    const tokens = await oidc.authorizationCodeGrant(config, url, { expectedState: state,
      pkceCodeVerifier: begun.get(state) })
    const claims = tokens.claims()
    const user = 'email' in claims ? claims : await oidc.fetchUserInfo(config, tokens.access_token, oidc.skipSubjectCheck)
    return { ...user, userinfo: user, iss: claims.iss, live: Boolean(claims.sid) }
  }

  return async (req, res, url) => {
    const show = (what) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(what))
    try {
      switch (url.pathname) {
        case '/': return await authorize(res, `${own}/auth/login`)
        case '/mobile': return await authorize(res, 'app.immich:///oauth-callback')
        case '/auth/login': return show(await finish(url))
        case '/finish': return show(await finish(new URL(url.searchParams.get('url'))))
        default: return res.writeHead(404).end()
      }
    } catch (err) {
      show({ error: err.error ?? err.code ?? String(err), cause: String(err.cause ?? '') })
    }
  }
}

// app returns the handler of a module, by the name that it exports.
async function app(module) {
  if (module.begin) return openidClient(module)
  if (module.outline) return outline(module)
  return module.immich ? immich(module) : authJS(module)
}

for (const argument of process.argv.slice(2)) {
  const [id, file] = argument.split('=')
  const module = await import(file)
  const handle = await app(module)
  const server = createServer((req, res) =>
    handle(req, res, new URL(req.url, `${req.headers['x-forwarded-proto']}://${req.headers['x-forwarded-host']}`)))
  server.listen(0, '127.0.0.1', () => console.log(`ready ${id} http://127.0.0.1:${server.address().port} `))
}
process.on('SIGTERM', () => process.exit(0))
