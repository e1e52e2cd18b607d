// Makes the key by which a service proves itself (private_key_jwt), so that no secret is handed over:
//
//     node make_key.mjs registration.json key.json
//
// The private half goes into key.json, which only its owner may read; the public half into the registration.
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { exportJWK, generateKeyPair } from "jose";

const [registrationFile, keyFile] = process.argv.slice(2);
const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
const named = { kid: randomUUID(), alg: "ES256", use: "sig" };
writeFileSync(keyFile, JSON.stringify({ ...(await exportJWK(privateKey)), ...named }), { mode: 0o600, flag: "wx" });

const registration = JSON.parse(readFileSync(registrationFile, "utf8"));
registration.token_endpoint_auth_method = "private_key_jwt";
registration.token_endpoint_auth_signing_alg = "ES256";
registration.jwks = { keys: [{ ...(await exportJWK(publicKey)), ...named }] };
writeFileSync(registrationFile, JSON.stringify(registration, null, 2));
