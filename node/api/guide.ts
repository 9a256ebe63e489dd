/** The prose at the head of the OpenAPI document: all that a bank's developer needs besides a JOSE library. */
import { isOpen, RESULT_CODES } from '../../ledger/codes.js';
import {
  CONSENT_PAST_EXPIRES_MS_MAX,
  INSTRUCTION_JSON_BYTES_MAX,
  ISSUED_AHEAD_MS_MAX,
  LEGS_MAX,
  LINKED_MAX,
  LOCK_WITHIN_MS_MAX,
  LOTS_MAX,
  PAYLOAD_BYTES_MAX,
  SETTLE_WITHIN_MS_MAX,
  SIGNATURES_MAX,
  VALIDITY_MS_MAX,
} from '../../protocol/limits.js';
import { DAY_MS } from '../../protocol/values.js';
import { EXAMPLE_MARGIN } from './example.js';
import { PROBLEMS } from './problem.js';

/** Signs a payload with `jose` and submits it; a test runs it as it stands here. */
export const EXAMPLE_PROGRAM = `import { GeneralSign, calculateJwkThumbprint, importJWK } from 'jose';

// Canonical JSON (RFC 8785) of what payloads hold: members sorted, no space.
const canonical = (value) =>
  Array.isArray(value) ? \`[\${value.map(canonical)}]\`
  : typeof value === 'object' ? \`{\${Object.keys(value).sort().map((k) => \`\${JSON.stringify(k)}:\${canonical(value[k])}\`)}}\`
  : JSON.stringify(value);

/** \`payload\` lacks only network, id, issued and expires; \`jwks\` are private keys, ES256 or Ed25519. */
async function submit(node, payload, jwks) {
  const { network } = await (await fetch(\`\${node}/v1/status\`)).json();
  const now = Date.now();
  const text = canonical({
    ...payload, network, id: crypto.randomUUID(),
    issued: new Date(now - 5_000).toISOString(), expires: new Date(now + 600_000).toISOString(),
  });
  const jws = new GeneralSign(new TextEncoder().encode(text));
  for (const jwk of jwks) {
    const alg = jwk.kty === 'EC' ? 'ES256' : 'EdDSA';
    jws.addSignature(await importJWK(jwk, alg))
      .setProtectedHeader({ alg, kid: await calculateJwkThumbprint(jwk), typ: 'causeway+json' });
  }
  const answer = await fetch(\`\${node}/v1/instructions\`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose+json' },
    body: JSON.stringify(await jws.sign()),
  });
  const accepted = await answer.json();
  if (!answer.ok) throw new Error(\`\${accepted.code}: \${accepted.detail}\`);
  return (await fetch(\`\${node}/v1/instructions/\${accepted.digest}?wait=final\`)).json();
}
`;

const KINDS = `
| kind | what it does | signed by |
|---|---|---|
| \`settle\` | moves all its legs or none, once every debited party has consented: at once (\`mode\` \`gross\`), or when it is time and the funds are there (\`queue\`), or when a preimage is revealed (\`lock\`); parts that are \`linked\` follow, each once the one before has settled (an FX swap, a repo); what is still to settle of one, another \`amends\` | the initiator, a party to a leg; the others sign too, or send \`consent\` |
| \`consent\`, \`withdraw\` | binds a party to a settlement (or an authority to a \`govern\`) named by its digest; leaves it while a consent is missing | that party |
| \`cancel\` | leaves a settlement, alone until its \`cancelUntil\`; then, until its \`cutoff\`, it ends when all parties have sent one; of what is locked, until its \`lockUntil\`, in this way only | a party to it |
| \`reveal\` | gives the preimage of a lock, which settles it | any participant |
| \`reprioritise\` | says anew how urgent a queued settlement is among what the party pays | a debited party |
| \`liquidity\` | says of a party's account whether its queue is strictly in order, what is kept there for what is more urgent, and how much more than it receives the party sends from it, in all or to single counterparties | that party |
| \`offer\` | names settlements of the queue that can settle together and that no pass has found; judged like a pass, after it | the party of a validator, or a solver |
| \`calendar\` | says on which days, and when on them, an asset settles by \`valueDate\` | the authority of the asset's jurisdiction |
| \`asset\` | defines an asset, or changes its cap or name | its issuer, and its jurisdiction's authority |
| \`participant\` | admits, suspends, reinstates a party, says whether it is a solver | the jurisdiction's authority |
| \`key\` | adds or revokes keys, sets how many must sign, registers the keys of its nodes | the party, or its authority |
| \`govern\` | asks for another set of validators | an authority; a quorum of them signs too, or sends \`consent\` |
| \`ready\` | says that a node of an approved next set holds the state and will vote | that node, with its network key |
`;

/** Markdown. Lists every code, so that none is met that is not written down. */
export function guide(): string {
  return `A node of a Causeway network. Central banks run its validators; banks submit signed instructions and read outcomes
that a quorum of validators has certified.

## Signing an instruction
1. **Payload**: a JSON object of one of the \`…Payload\` schemas. \`network\` is shown by \`/v1/status\`. \`id\` is a lower-case
   UUID, unique per initiator. \`expires\` is at most ${VALIDITY_MS_MAX / 3_600_000} hours after \`issued\`. A node takes it from ${ISSUED_AHEAD_MS_MAX / 1000} s before
   \`issued\` on, and answers once that has come: date it a few seconds back. Amounts are decimal strings in major units.
2. **Bytes**: the payload's canonical JSON (RFC 8785) in UTF-8, at most ${PAYLOAD_BYTES_MAX} bytes. For what payloads hold that is: members sorted
   by name at every level, no white space, no member twice.
3. **Digest**: lower-case hex of SHA-256 over \`causeway/instruction/1\`, a zero byte, and the payload's bytes. It names the
   instruction everywhere, whoever signs it.
4. **Signature**: a JWS (RFC 7515) over these bytes, in JSON serialization, general or flattened, never compact. The
   protected header holds exactly \`alg\` (\`ES256\`, \`EdDSA\` or \`Ed25519\`), \`kid\` (RFC 7638 thumbprint of the key) and \`typ\`
   (\`causeway+json\`). There is no unprotected header. At most ${SIGNATURES_MAX} signatures, one for each key.
5. **Submit** it with POST, at most ${INSTRUCTION_JSON_BYTES_MAX} bytes. 202 means: durable on this node. Its outcome is read under its digest.

A settlement has at most ${LEGS_MAX} legs, over all its parts. Payment versus payment is one \`settle\` with two legs, signed by both banks: either
both signatures are on it, or one bank submits it and the other sends the same payload with its own signature, or a
\`consent\` that names its digest. With \`terms\` a consent says what it takes the settlement to be, part by part, and is refused
with what differs: \`party_mismatch\`, \`asset_mismatch\`, \`amount_mismatch\`, \`date_mismatch\`.

One signature may also cover many instructions: it is then over the canonical JSON
\`{"count":N,"network":"…","root":"…"}\` with \`typ\` \`causeway-list+json\`, where root is a Merkle tree (RFC 9162, section
2.1) whose leaves are SHA-256 over \`causeway/list-leaf/1\`, a zero byte and the 32 bytes of an instruction's digest, and an inner node is SHA-256 over
its two children. Each instruction carries it with its place, as \`list\`.

A new key (\`participant\` admit, \`key\` add and node) comes with proof that its owner holds it: a JWS over the canonical JSON
\`{"kid":"…","network":"…","party":"…"}\` with \`typ\` \`causeway-possession+json\`, given as \`protected\` and \`signature\`. A validator's
new vote key signs \`causeway/vote-key/1\`, a zero byte, the network's 32 bytes, the party's length in 4 bytes and its text,
and the key's 32 bytes; the signature is given as hex.

\`\`\`js
${EXAMPLE_PROGRAM}\`\`\`

On a test network \`test\` in \`/v1/status\` is not null: its time runs \`timeScale\` times as fast as clocks, and \`now\` is what it is.
All dates there are in that time, so date by \`now\`, not by a clock, and mind that ${VALIDITY_MS_MAX / 3_600_000} hours of it are soon over. What settles there is no money.

## When a settlement settles
In mode \`gross\` at once, when every debited party has consented, or never. In mode \`queue\` when it is time and the funds are
there: from \`notBefore\` (by default at once) to \`settleBy\`, or on a \`valueDate\` that is a business day of every currency. What
only holds together with others settles with them, in one block. Its dates are in this order: issued < \`cancelUntil\` ≤ \`cutoff\`
≤ \`settleBy\`, at most ${SETTLE_WITHIN_MS_MAX / DAY_MS} days after \`issued\`. Consents count until \`cancelUntil\` (by default \`expires\`), and at most
${CONSENT_PAST_EXPIRES_MS_MAX / 3_600_000} hours past \`expires\`. Before every consent is there, \`withdraw\` or \`cancel\` ends it; after that \`cancel\` alone does: of one
party until \`cancelUntil\`, of all together until \`cutoff\`, and then nothing. \`linked\` names up to ${LINKED_MAX} further parts, with legs and
dates of their own: one consent covers them all, and each is due once the one before has settled (code \`part_settled\`).
What is not linked may come in so many equal \`lots\`, at most ${LOTS_MAX}: where it does not settle whole, they may settle one by one
(\`part_settled\` for each, and \`settled\` for all that are left).

Of a part that is next, another having settled, the legs are replaced as another settlement in mode \`gross\` settles: its \`amends\`
names the \`settlement\`, the \`part\` counted from one, the legs that it \`replaces\`, all of them in their order, and the new
\`legs\`. So collateral of a repo is substituted, or margin called, in one step. Everyone in any of these legs consents. What was
amended is told so (\`amended\`); where another part is next, or it has other legs by then, nothing happens (\`part_gone\`).

\`\`\`json
${JSON.stringify(EXAMPLE_MARGIN, null, 2)}
\`\`\`

## Exchanges with another ledger
In mode \`lock\` a settlement names the SHA-256 of 32 secret bytes, its \`hash\`, and \`lockUntil\`, at most ${LOCK_WITHIN_MS_MAX / DAY_MS} days after \`issued\`.
When every debited party has consented, what it debits is held (code \`locked\`; \`held\` in balances), or it is refused for good. \`reveal\`
with the preimage settles it, from whoever it comes. The \`reveal\` is in the block that settled it, so that who is paid there
last takes the preimage from here. Without it the lock lapses some blocks after \`lockUntil\`: a preimage that is sent by then
counts, also if it is ordered later. Who makes the secret gives the lock in which it pays the later end, and enough time between
the two for the other to be told and to act. A hash is used once: one whose preimage is known is refused (\`hash_revealed\`).

## What waits
\`/v1/parties/{bic}/queue\` lists what a party is bound to pay, with what each lacks, and \`/proposals\` what it is asked to consent to.
\`/queue/positions\` says where its accounts come to day by day if all that is bound settles as early as it may, \`/queue/totals\`
what is open and what has settled today, and \`/queue/what-if\` which of the queue would settle now with more money in an account.
Amounts there are what a settlement does to an account in sum; each part that is linked counts by itself.
What a lock holds is as good as paid in \`outflowsOnly\` and \`lowest\` and still there in \`projected\`; totals have it as \`locked\`. Days are by UTC.

## Kinds
${KINDS}
## Result codes
An instruction that was ordered has one of these. Open, so that another follows (\`status\` is \`pending\`): ${listOf(RESULT_CODES.filter(isOpen))}.
Final: ${listOf(RESULT_CODES.filter((code) => !isOpen(code)))}.

## Refusals
Every error is RFC 9457 \`application/problem+json\` with a stable \`code\`; \`pointer\` names the member at fault, in the
payload for codes of the payload, in the JWS for those of the JWS. 503 comes with \`Retry-After\`: the same request again is safe.
After a refusal with 403, 409 or 503, or with \`not_yet_valid\`, the payload may still take effect until its \`expires\` if another node holds it:
a replacement keeps the \`id\`.

| code | status | meaning |
|---|---|---|
${Object.entries(PROBLEMS)
  .map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`)
  .join('\n')}
`;
}

const listOf = (codes: readonly string[]): string => codes.map((code) => `\`${code}\``).join(', ');
