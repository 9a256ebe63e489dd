/**
 * A bank's developer settles HKD against THB with a stock JOSE library and what GET /openapi.json says; nothing here comes
 * from the project. Prints the outcome, and exits with 0 only when it is settled.
 *
 *   node pvp.mjs http://127.0.0.1:8101 HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00:hsbc.pem BKKBTHBKXXX:HSBCHKHHXXX:THB:4150000.00:bkk.pem
 */
import { createPrivateKey, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { calculateJwkThumbprint, GeneralSign } from 'jose';

const [node, ...written] = process.argv.slice(2);
const legs = written
  .map((leg) => leg.split(':'))
  .map(([from, to, asset, amount, pem]) => ({ from, to, asset, amount, pem }));

/** Canonical JSON (RFC 8785) of what a payload holds: members sorted by name, no space. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(',')}}`;
}

const { network } = await (await fetch(`${node}/v1/status`)).json();
const now = Date.now();
const payload = {
  kind: 'settle',
  mode: 'gross',
  network,
  initiator: legs[0].from,
  id: randomUUID(),
  issued: new Date(now - 5_000).toISOString(),
  expires: new Date(now + 600_000).toISOString(),
  legs: legs.map(({ from, to, asset, amount }) => ({ from, to, asset, amount })),
};

// Whoever is debited signs, each with its own key.
const jws = new GeneralSign(new TextEncoder().encode(canonical(payload)));
for (const { pem } of legs) {
  const key = createPrivateKey(readFileSync(pem));
  const jwk = key.export({ format: 'jwk' });
  const alg = jwk.kty === 'EC' ? 'ES256' : 'EdDSA';
  jws.addSignature(key).setProtectedHeader({ alg, kid: await calculateJwkThumbprint(jwk), typ: 'causeway+json' });
}

const answer = await fetch(`${node}/v1/instructions`, {
  method: 'POST',
  headers: { 'content-type': 'application/jose+json' },
  body: JSON.stringify(await jws.sign()),
});
const accepted = await answer.json();
if (answer.status !== 202) {
  console.error(`${accepted.code}: ${accepted.detail}`);
  process.exit(1);
}
const outcome = await (await fetch(`${node}/v1/instructions/${accepted.digest}?wait=final`)).json();
console.log(JSON.stringify(outcome));
process.exit(outcome.code === 'settled' ? 0 : 1);
