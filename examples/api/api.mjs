// The same API on npm jose: docs/integrate.md walks through it.
//
//     ISSUER=http://localhost:8000 CLIENT_ID=… CLIENT_SECRET=… node api.mjs registration.json 5005
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env;
const [audience] = JSON.parse(readFileSync(process.argv[2], "utf8")).resource_identifiers;
const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();

// Keeps the keys for ten minutes, and looks for a kid that is new twice a minute at most.
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));

class TokenRefused extends Error {
  constructor(status, error) {
    super(error);
    this.status = status;
    this.challenge = error ? `Bearer error="${error}"` : "Bearer"; // RFC 6750 §3
  }
}

// The claims of an access token that is the fund's, for this API, and not over (RFC 9068 §4).
async function verify(token) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: ISSUER,
      audience,
      typ: "at+jwt", // an ID token is no access token
      algorithms: ["ES256", "RS256"], // a list of ours: never what the token itself says
      requiredClaims: ["exp", "sub", "client_id"],
      clockTolerance: 10, // clocks differ
    });
    return payload;
  } catch (fault) {
    if (fault instanceof errors.JOSEError && !(fault instanceof errors.JWKSTimeout)) {
      throw new TokenRefused(401, "invalid_token");
    }
    throw fault;
  }
}

// Ask the fund: a token that was revoked, or whose member signed out, is no longer active (RFC 7662 §2).
async function stillGood(token) {
  const answer = await fetch(metadata.introspection_endpoint, {
    method: "POST",
    headers: { Authorization: `Basic ${Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString("base64")}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(5000),
  });
  if (!answer.ok) throw new Error(`introspection answered ${answer.status}`);
  return (await answer.json()).active === true;
}

// Who calls with the right to do `scope`; `ask` where minutes would matter.
async function caller(request, scope, { ask = false } = {}) {
  const [, token] = /^bearer +(.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) throw new TokenRefused(401);
  const claims = await verify(token);
  if (!(claims.scope ?? "").split(" ").includes(scope)) throw new TokenRefused(403, "insufficient_scope");
  if (ask && !(await stillGood(token))) throw new TokenRefused(401, "invalid_token");
  return claims;
}

async function answerTo(request) {
  switch (`${request.method} ${request.url}`) {
    case "GET /paiements": {
      // Read: the token alone says enough, and the fund is not asked. A member's token has sub and qualite; that of a
      // machine has its client_id as sub.
      const { sub, client_id, qualite } = await caller(request, "paiements:lire");
      return { sub, client_id, qualite };
    }
    case "POST /paiements": {
      // Act: money moves, so the fund is asked at this moment.
      const { sub } = await caller(request, "paiements:ecrire", { ask: true });
      return { paid_for: sub };
    }
    case "GET /healthz":
      return "ok";
    default:
      return null;
  }
}

const server = createServer(async (request, response) => {
  try {
    const body = await answerTo(request);
    response.writeHead(body ? 200 : 404, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  } catch (fault) {
    if (!(fault instanceof TokenRefused)) console.error(fault.message);
    const headers = fault.challenge ? { "WWW-Authenticate": fault.challenge } : {};
    response.writeHead(fault.status ?? 503, headers).end();
  }
});
server.listen(Number(process.argv[3]), "127.0.0.1");
