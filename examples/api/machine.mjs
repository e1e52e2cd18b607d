// A machine and an API on npm `openid-client` and `jose`, which share no code with us: a token by
// client_credentials, verified and introspected by the API, given back, and introspected again.
// Its one argument is a JSON file; it prints what both saw, as JSON.
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oidc from "openid-client";

const { issuer, machine, api, resource, scope } = JSON.parse(readFileSync(process.argv[2], "utf8"));

// RFC 8414's address, which a library of plain OAuth asks for.
const configured = ({ client_id, client_secret }) =>
  oidc.discovery(new URL(issuer), client_id, undefined, oidc.ClientSecretBasic(client_secret), {
    algorithm: "oauth2",
    execute: [oidc.allowInsecureRequests], // plain http on loopback
  });

const asMachine = await configured(machine);
const asApi = await configured(api);
const tokens = await oidc.clientCredentialsGrant(asMachine, { scope, resource });
const keys = createRemoteJWKSet(new URL(asApi.serverMetadata().jwks_uri));
const { payload } = await jwtVerify(tokens.access_token, keys, {
  issuer,
  audience: resource,
  typ: "at+jwt",
});
const before = await oidc.tokenIntrospection(asApi, tokens.access_token);
await oidc.tokenRevocation(asMachine, tokens.access_token);
const after = await oidc.tokenIntrospection(asApi, tokens.access_token);
console.log(JSON.stringify({ scope: tokens.scope, payload, before, after }));
