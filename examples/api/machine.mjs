// A machine that calls an API for itself, without a member and a browser, on npm openid-client:
//
//     ISSUER=… CLIENT_ID=… CLIENT_SECRET=… node machine.mjs machine.registration.json http://127.0.0.1:5005/paiements
import { readFileSync } from "node:fs";
import * as oidc from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env;
const [registrationFile, address] = process.argv.slice(2);
const { scope, allowed_resources } = JSON.parse(readFileSync(registrationFile, "utf8"));

const execute = ISSUER.startsWith("http:") ? [oidc.allowInsecureRequests] : []; // bin/start, on loopback
const fund = await oidc.discovery(new URL(ISSUER), CLIENT_ID, undefined, oidc.ClientSecretBasic(CLIENT_SECRET), {
  algorithm: "oauth2", // /.well-known/oauth-authorization-server
  execute,
});

// One token serves many calls, until expires_in; `resource` names the API that it is for.
const tokens = await oidc.clientCredentialsGrant(fund, { scope, resource: allowed_resources[0] });
const answer = await fetch(address, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(answer.status, await answer.text());
await oidc.tokenRevocation(fund, tokens.access_token);
