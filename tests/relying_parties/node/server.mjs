// A relying party on npm `openid-client`, which OpenID certified and which shares no code with us.
// See tests/relying_parties/__init__.py for its pages and its one argument.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import * as oidc from "openid-client";

const { issuer, port, clients } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const origin = `http://127.0.0.1:${port}`;
const scope = "openid profile email dossier";
const visits = new Map();

const configurations = new Map();
for (const [name, { client_id, client_secret, alg }] of Object.entries(clients)) {
  const metadata = alg ? { id_token_signed_response_alg: alg } : {};
  const method = client_secret ? oidc.ClientSecretBasic(client_secret) : oidc.None();
  // Plain http on loopback; and the signature of an id_token is checked even where TLS would vouch for it.
  const execute = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks];
  configurations.set(
    name,
    await oidc.discovery(new URL(issuer), client_id, metadata, method, { execute }),
  );
}

async function signIn(name, visit, extra) {
  const configuration = configurations.get(name);
  const waiting = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
  };
  visit.waiting = waiting;
  return oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: `${origin}/${name}/callback`,
    scope,
    state: waiting.expectedState,
    nonce: waiting.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(waiting.pkceCodeVerifier),
    code_challenge_method: "S256",
    ...extra,
  }).href;
}

async function callback(name, visit, url) {
  const configuration = configurations.get(name);
  const { waiting } = visit;
  delete visit.waiting;
  try {
    const tokens = await oidc.authorizationCodeGrant(configuration, url, waiting);
    const claims = tokens.claims();
    const userinfo = await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub);
    const header = JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url"));
    visit.person = { claims, userinfo, alg: header.alg, id_token: tokens.id_token };
    delete visit.error;
  } catch (error) {
    delete visit.person;
    visit.error = error.error ?? error.code ?? String(error);
  }
  return `/${name}`;
}

function signOut(name, visit) {
  const { id_token } = visit.person ?? {};
  delete visit.person;
  return oidc.buildEndSessionUrl(configurations.get(name), {
    post_logout_redirect_uri: `${origin}/${name}/signed-out`,
    ...(id_token && { id_token_hint: id_token }),
  }).href;
}

function page(name, visit) {
  const { claims, userinfo, alg } = visit.person ?? {};
  const known = JSON.stringify({ signed_in: Boolean(visit.person), claims, userinfo, alg, error: visit.error });
  return `<!doctype html><html lang="en"><title>${name}</title><link rel="icon" href="data:,">
<pre id="session">${known.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</pre>
<p><a id="sign-in" href="/${name}/sign-in">Sign in</a> <a id="refresh" href="/${name}/refresh">Refresh</a>
<a id="sign-out" href="/${name}/sign-out">Sign out</a></p></html>`;
}

function visitOf(request, response) {
  const found = /(?:^|; )node_rp=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];
  if (visits.has(found)) return visits.get(found);
  const id = randomUUID();
  const visit = {};
  visits.set(id, visit);
  response.setHeader("Set-Cookie", `node_rp=${id}; Path=/; HttpOnly; SameSite=Lax`);
  return visit;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  const [, name, step = ""] = url.pathname.split("/");
  if (!configurations.has(name)) return response.writeHead(404).end();
  const shared = visitOf(request, response);
  const visit = (shared[name] ??= {});
  const go = (location) => response.writeHead(303, { Location: location }).end();
  switch (step) {
    case "":
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      return response.end(page(name, visit));
    case "sign-in":
      return go(await signIn(name, visit, {}));
    case "refresh":
      return go(await signIn(name, visit, { prompt: "none" }));
    case "callback":
      return go(await callback(name, visit, url));
    case "sign-out":
      return go(signOut(name, visit));
    case "signed-out":
      return go(`/${name}`);
    default:
      return response.writeHead(404).end();
  }
});
server.listen(port, "127.0.0.1");
