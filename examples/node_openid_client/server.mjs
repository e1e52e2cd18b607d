// A service on npm openid-client: docs/integrate.md walks through it.
//
// It needs the registration that `idp clients add` took, and what that command answered:
//
//     ISSUER=http://localhost:8000 CLIENT_ID=… CLIENT_SECRET=… node server.mjs registration.json
//
// or, registered with a key by make_key.mjs, CLIENT_KEY=key.json in place of the secret.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRemoteJWKSet, importJWK, jwtVerify } from "jose";
import * as oidc from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, CLIENT_KEY } = process.env;
const registration = JSON.parse(readFileSync(process.argv[2], "utf8"));
const [redirect_uri] = registration.redirect_uris;
const [post_logout_redirect_uri] = registration.post_logout_redirect_uris;
const { origin, port } = new URL(redirect_uri);

// How the service proves itself at the fund: by a key, by a secret, or not at all (a native application).
async function proof() {
  if (CLIENT_KEY) {
    const jwk = JSON.parse(readFileSync(CLIENT_KEY, "utf8"));
    return oidc.PrivateKeyJwt({ key: await importJWK(jwk), kid: jwk.kid });
  }
  return CLIENT_SECRET ? oidc.ClientSecretBasic(CLIENT_SECRET) : oidc.None();
}

// Endpoints and keys are found by discovery. The ID token's signature is checked even where TLS would vouch for it.
const execute = [oidc.enableNonRepudiationChecks];
if (ISSUER.startsWith("http:")) execute.push(oidc.allowInsecureRequests); // bin/start, on loopback
const fund = await oidc.discovery(new URL(ISSUER), CLIENT_ID, registration, await proof(), { execute });

// Send the member to the fund; state, nonce and the PKCE verifier stay here.
async function signIn(visit, prompt) {
  visit.waiting = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
  };
  return oidc.buildAuthorizationUrl(fund, {
    redirect_uri,
    scope: registration.scope,
    state: visit.waiting.expectedState,
    nonce: visit.waiting.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(visit.waiting.pkceCodeVerifier),
    code_challenge_method: "S256",
    // "none" asks whether the member is signed in there already, and shows no page at all.
    ...(prompt === "none" && { prompt }),
  }).href;
}

// Redeem the code. openid-client checks state, iss, nonce, signature, aud, exp.
async function callback(visit, url) {
  const { waiting } = visit;
  delete visit.waiting;
  const tokens = await oidc.authorizationCodeGrant(fund, url, waiting);
  const claims = tokens.claims(); // sub, qualite, acr, auth_time, sid
  const userinfo = await oidc.fetchUserInfo(fund, tokens.access_token, claims.sub); // numero_dossier, name, email …
  visit.person = { claims, userinfo, tokens };
}

// Get new tokens without the member, who may be asleep. Keep the new refresh token at once.
async function refresh({ person }) {
  const tokens = await oidc.refreshTokenGrant(fund, person.tokens.refresh_token);
  const claims = tokens.claims();
  if (claims.sub !== person.claims.sub) throw new Error("the fund answered about somebody else");
  const userinfo = await oidc.fetchUserInfo(fund, tokens.access_token, claims.sub);
  Object.assign(person, { claims, userinfo, tokens });
}

// Ask whether the access token is good at this moment: revocation is seen at once.
async function introspect({ person }) {
  person.introspection = await oidc.tokenIntrospection(fund, person.tokens.access_token);
}

// Forget the member here, then end the session at the fund and at its other services.
function signOut(visit) {
  const { tokens } = visit.person ?? {};
  delete visit.person;
  return oidc.buildEndSessionUrl(fund, {
    post_logout_redirect_uri,
    // The hint says whose session it is: without it the fund asks the member first.
    ...(tokens && { id_token_hint: tokens.id_token }),
  }).href;
}

// Hear from the fund, not from a browser, that a session ended: the token says which (Back-Channel Logout 1.0, 2.6).
// A token that comes twice ends the same session again, which does no harm.
const keys = createRemoteJWKSet(new URL(fund.serverMetadata().jwks_uri));

async function hearOfLogout(token) {
  const { payload } = await jwtVerify(token, keys, {
    issuer: fund.serverMetadata().issuer,
    audience: CLIENT_ID,
    typ: "logout+jwt",
    algorithms: [registration.id_token_signed_response_alg ?? "RS256"],
    requiredClaims: ["exp", "sid", "events"],
    clockTolerance: 60, // clocks differ
  });
  if (!payload.events["http://schemas.openid.net/event/backchannel-logout"] || "nonce" in payload) {
    throw new Error("an ID token, or something else");
  }
  for (const visit of visits.values()) {
    if (visit.person?.claims.sid === payload.sid) delete visit.person;
  }
}

async function formOf(request) {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 10_000) throw new Error("too long");
  }
  return new URLSearchParams(body);
}

// Each browser's visit, by a key that the cookie holds: tokens never travel to the browser.
// In memory, to be short: yours stands in a store that all of your processes share.
const visits = new Map();

function visitOf(request, response) {
  const found = visits.get(/(?:^|; )node_openid_client=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1]);
  return found ?? newVisit(response);
}

function newVisit(response, visit = {}) {
  const key = randomUUID();
  visits.set(key, visit);
  // Lax: with Strict the callback would come without it.
  const secure = origin.startsWith("https:") ? "; Secure" : "";
  response.setHeader("Set-Cookie", `node_openid_client=${key}; Path=/; HttpOnly; SameSite=Lax${secure}`);
  return visit;
}

function page({ person, error }) {
  const { claims, userinfo, introspection } = person ?? {};
  const known = JSON.stringify({ signed_in: Boolean(person), claims, userinfo, introspection, error }, null, 2);
  return `<!doctype html>
<html lang="en">
<title>Node and openid-client</title>
<link rel="icon" href="data:,">
<pre id="session">${known.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</pre>
<p><a id="sign-in" href="/sign-in">Sign in</a> <a id="sso" href="/sign-in?prompt=none">Ask nothing</a></p>
<form method="post">
  <button id="refresh" formaction="/refresh">Refresh</button>
  <button id="introspect" formaction="/introspect">Introspect</button>
  <button id="sign-out" formaction="/sign-out">Sign out</button>
</form>
</html>`;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  if (request.method === "POST" && url.pathname === "/backchannel-logout") {
    const heard = formOf(request).then((form) => hearOfLogout(form.get("logout_token") ?? ""));
    return heard.then(() => response.writeHead(200).end(), () => response.writeHead(400).end());
  }
  const visit = visitOf(request, response);
  const go = (location) => response.writeHead(303, { Location: location }).end();
  if (["/refresh", "/introspect"].includes(url.pathname) && !visit.person) return go("/sign-in");
  try {
    switch (`${request.method} ${url.pathname}`) {
      case "GET /":
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        return response.end(page(visit));
      case "GET /sign-in":
        return go(await signIn(visit, url.searchParams.get("prompt")));
      case "GET /callback":
        delete visit.person;
        await callback(visit, url);
        newVisit(response, { person: visit.person }); // a new key: nobody knows it from before
        delete visit.person;
        return go("/");
      case "POST /refresh":
        await refresh(visit);
        return go("/");
      case "POST /introspect":
        await introspect(visit);
        return go("/");
      case "POST /sign-out":
        return go(signOut(visit));
      default:
        return response.writeHead(404).end();
    }
  } catch (refused) {
    // access_denied: the member turned back. login_required: the answer to prompt=none.
    // invalid_grant: what was refreshed has ended, by a new password for one; the member signs in again.
    if (refused.error === "invalid_grant") delete visit.person;
    // Any other is a fault; its text ends with the incident that the fund's operators look up.
    console.warn("the fund refused:", refused.error, refused.error_description ?? refused.message);
    visit.error = refused.error ?? refused.code ?? String(refused);
    return go("/");
  }
});
server.listen(port, "127.0.0.1");
