// Serves the apps of docs/en/clients/node.md and authjs.md, each on a port of its own: app.mjs ID=FILE ... A file that
// exports begin is the one of openid-client, the other the configuration of Auth.js.
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

for (const argument of process.argv.slice(2)) {
  const [id, file] = argument.split('=')
  const module = await import(file)
  const handle = module.begin ? openidClient(module) : authJS(module)
  const server = createServer((req, res) =>
    handle(req, res, new URL(req.url, `${req.headers['x-forwarded-proto']}://${req.headers['x-forwarded-host']}`)))
  server.listen(0, '127.0.0.1', () => console.log(`ready ${id} http://127.0.0.1:${server.address().port} `))
}
process.on('SIGTERM', () => process.exit(0))
