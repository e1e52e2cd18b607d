// oidc-provider, which nobody here wrote, set to the rules of FranceConnect (docs/franceconnect.md): the client of tests.
// One argument: a JSON file with the client, a pair of keys and the person who signs in. Says its issuer on a line; ends with its standard input.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import Provider from "oidc-provider";

const PATH = "/api/v2";
const PIVOT = ["family_name", "given_name", "gender", "birthdate", "birthplace", "birthcountry"];
// FranceConnect's closed list: anything else is an error on a page of its own.
const KNOWN = new Set(["client_id", "response_type", "redirect_uri", "scope", "acr_values", "state", "nonce", "claims", "prompt", "idp_hint", "ui_locales"]);

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}${PATH}`;

const provider = new Provider(issuer, {
  clients: [{
    grant_types: ["authorization_code"],
    response_types: ["code"],
    id_token_signed_response_alg: given.alg,
    userinfo_signed_response_alg: given.alg,
    ...given.client,
  }],
  jwks: { keys: given.keys },
  cookies: { keys: ["of a test, on loopback"] },
  pkce: { required: () => false },
  acrValues: ["eidas1"],
  scopes: ["openid", "identite_pivot"],
  claims: { openid: ["sub"], identite_pivot: PIVOT, acr: null },
  clientAuthMethods: ["client_secret_post", "private_key_jwt"],
  ttl: { AuthorizationCode: 30, AccessToken: 60, IdToken: 60, Interaction: 1800, Session: 1800, Grant: 1800 },
  features: {
    devInteractions: { enabled: false },
    jwtUserinfo: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  routes: {
    authorization: "/authorize", token: "/token", userinfo: "/userinfo", jwks: "/jwks", end_session: "/session/end",
  },
  interactions: { url: (_, interaction) => `${PATH}/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...given.person }) }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope("openid identite_pivot");
    grant.addOIDCClaims(["acr", ...PIVOT]);
    await grant.save();
    return grant;
  },
});

const serve = provider.callback();
server.on("request", async (request, response) => {
  const asked = new URL(request.url, issuer);
  if (asked.pathname.startsWith(`${PATH}/interaction/`)) {
    await provider.interactionFinished(request, response, { login: { accountId: given.sub, acr: "eidas1", amr: ["pwd"] } });
    return;
  }
  const short = ["state", "nonce"].some((name) => (asked.searchParams.get(name) ?? "").length < 22);
  if (asked.pathname === `${PATH}/authorize` && (short || [...asked.searchParams.keys()].some((name) => !KNOWN.has(name)))) {
    response.writeHead(400, { "Content-Type": "text/html" }).end("Y030007");
    return;
  }
  request.originalUrl = request.url; // what a router that it is mounted in would leave
  request.url = request.url.slice(PATH.length);
  serve(request, response);
});

console.log(issuer);
process.stdin.on("end", () => process.exit(0)).resume();
