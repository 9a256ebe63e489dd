/**
 * A network of processes on loopback, four validators and the nodes of two banks: what a bank sees of it, also when
 * processes are killed, and when a validator is replaced.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createClient } from '../node/api/client.js';
import {
  buildInstruction,
  type InstructionSigner,
  keySigner,
  type PayloadFields,
  signInstruction,
} from '../node/api/signing.js';
import { toBase64url } from '../protocol/base64url.js';
import { canonicalBytes, type Json } from '../protocol/canonical.js';
import { inCheckout, startPlainly } from '../protocol/checkout.test-helper.js';
import { utf8 } from '../protocol/codec.js';
import type { JwsJson } from '../protocol/instruction.js';
import {
  act,
  checkOffline,
  isConserved,
  need,
  registerNode,
  untilFollowing,
  untilReady,
  untilSeen,
} from './network/acts.js';
import { authorityOf, type Bank, keyFileOf, openBanks } from './network/banks.js';
import { LocalNetwork, type Member } from './network/network.js';
import { describe, type Exit, NodeProcess, type Ran, runCli } from './network/processes.js';
import { settleOnce } from './network/steps.js';

const FINAL_MS_MAX = 60_000;
const ANY_PORT = '/ip4/127.0.0.1/tcp/0';
startPlainly();
const folder = mkdtempSync(join(tmpdir(), 'causeway-network-'));
const deaths: string[] = [];
const network = await LocalNetwork.open(join(folder, 'network'), ({ party }, exit, lastLines) => {
  deaths.push([`${party}: ${describe(exit)}`, ...lastLines].join('\n'));
});
t.teardown(async () => {
  await network.stop();
  rmSync(folder, { recursive: true, force: true });
});
const [hk, cn, th, ae] = network.members as readonly [Member, Member, Member, Member];
const [hsbc, bangkok] = await openBanks(network);

const payment = (amount = '1.00', asset = 'HKD') => ({
  kind: 'settle' as const,
  mode: 'gross' as const,
  initiator: hsbc.party,
  legs: [{ from: hsbc.party, to: bangkok.party, asset, amount }],
});
const pay = (at: Member, amount?: string) => act(at, payment(amount), [hsbc.signer]);

t.test('a PvP settles, its receipt is checked offline, and every node has the same sums', async (t) => {
  const { pvp, checked, conserved } = await settleOnce(network, 'silent');
  t.equal(pvp.code, 'settled');
  t.match(checked, { verified: true, code: 'settled', height: pvp.height });
  t.ok(checked.signers.length >= 3, 'certified by a quorum');
  t.ok(conserved);
});

t.test("a stranger's script settles a PvP with a stock JOSE library", async (t) => {
  const script = inCheckout('sim/stranger/pvp.mjs');
  const leg = (from: Bank, to: Bank, asset: string, amount: string) =>
    [from.party, to.party, asset, amount, keyFileOf(network, from.party)].join(':');
  const run = async (...legs: readonly string[]) => {
    const child = spawn(process.execPath, [script, hk.url, ...legs], { stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { status, printed };
  };
  const settled = await run(leg(hsbc, bangkok, 'HKD', '10.00'), leg(bangkok, hsbc, 'THB', '41.50'));
  t.equal(settled.status, 0, settled.printed);
  t.match(JSON.parse(settled.printed), { status: 'final', code: 'settled' });
  const unfunded = await run(leg(hsbc, bangkok, 'HKD', '999999999.00'), leg(bangkok, hsbc, 'THB', '1.00'));
  t.match(unfunded, { status: 1, printed: 'insufficient_funds' });
  const malformed = await run(leg(hsbc, bangkok, 'HKD', '1e6'), leg(bangkok, hsbc, 'THB', '1.00'));
  t.match(malformed, { status: 1, printed: 'malformed_amount' });
});

t.test('each wrong input of a bank has an answer of its own', async (t) => {
  const { network: id } = need(await hk.client.getStatus());
  type Draft = { readonly [member: string]: Json | undefined };
  const { payload: good } = buildInstruction({ ...payment(), network: id });
  const base = good as unknown as Draft;
  const bytesOf = (more: Draft): Uint8Array => {
    const members = Object.entries({ ...base, id: globalThis.crypto.randomUUID(), ...more }).filter(
      ([, value]) => value !== undefined,
    );
    return canonicalBytes(Object.fromEntries(members) as Json);
  };
  const signed = (
    payloadBytes: Uint8Array,
    banks: readonly { readonly signer: InstructionSigner }[] = [hsbc],
  ): Promise<JwsJson> =>
    signInstruction(
      { payloadBytes },
      banks.map(({ signer }) => signer),
    );
  const text = async (jws: Promise<JwsJson>): Promise<string> => JSON.stringify(await jws);
  const payloadOf = (more: Draft, banks?: readonly Bank[]) => text(signed(bytesOf(more), banks));
  const legs = (more: Draft): Draft => ({
    legs: [{ from: hsbc.party, to: bangkok.party, asset: 'HKD', amount: '1.00', ...more }],
  });
  const header = async (protectedHeader: object): Promise<string> => {
    const jws = await signed(bytesOf({}));
    const [first] = jws.signatures;
    return JSON.stringify({
      payload: jws.payload,
      signatures: [{ ...first, protected: toBase64url(utf8(JSON.stringify(protectedHeader))) }],
    });
  };
  const other = { signer: authorityOf(network, 'CN') };
  const stranger = { signer: keySigner('Ed25519', new Uint8Array(32).fill(7)) };
  const good1 = await signed(bytesOf({}));
  const [signature] = good1.signatures;
  const now = Date.now();
  const at = (ms: number): string => new Date(now + ms).toISOString();
  const HOUR = 3_600_000;

  const rows: readonly (readonly [
    says: string,
    body: string | Uint8Array | Promise<string>,
    status: number,
    code: string,
  ])[] = [
    ['an amount with an exponent', payloadOf(legs({ amount: '1e6' })), 422, 'malformed_amount'],
    ['an amount below zero', payloadOf(legs({ amount: '-5.00' })), 422, 'malformed_amount'],
    ['an amount with separators', payloadOf(legs({ amount: '1,000.00' })), 422, 'malformed_amount'],
    ['an amount with leading zeros', payloadOf(legs({ amount: '007.00' })), 422, 'malformed_amount'],
    ['an amount of nothing', payloadOf(legs({ amount: '0.00' })), 422, 'malformed_amount'],
    ['an amount as a number', payloadOf(legs({ amount: 5 })), 422, 'malformed_amount'],
    ['an amount with a space', payloadOf(legs({ amount: ' 5.00' })), 422, 'malformed_amount'],
    ['an id in upper case', payloadOf({ id: globalThis.crypto.randomUUID().toUpperCase() }), 422, 'malformed_id'],
    ['an id that is no UUID', payloadOf({ id: 'payment-1' }), 422, 'malformed_id'],
    ['a BIC of eight characters', payloadOf(legs({ to: 'BKKBTHBK' })), 422, 'malformed_party'],
    ['a BIC in lower case', payloadOf(legs({ to: 'bkkbthbkxxx' })), 422, 'malformed_party'],
    ['an asset in lower case', payloadOf(legs({ asset: 'hkd' })), 422, 'malformed_asset'],
    ['a payment to oneself', payloadOf(legs({ to: hsbc.party })), 422, 'malformed_leg'],
    ['no legs', payloadOf({ legs: [] }), 422, 'malformed_payload'],
    [
      '65 legs',
      payloadOf({ legs: Array.from({ length: 65 }, () => legs({})['legs'] as readonly Json[]).flat() }),
      422,
      'malformed_payload',
    ],
    ['a time without a zone', payloadOf({ issued: '2026-01-05T09:30:00' }), 422, 'malformed_time'],
    ['a time of another zone', payloadOf({ issued: '2026-01-05T09:30:00+08:00' }), 422, 'malformed_time'],
    ['a day that is none', payloadOf({ issued: '2026-02-30T09:30:00Z' }), 422, 'malformed_time'],
    ['an end before the start', payloadOf({ issued: at(0), expires: at(-1) }), 422, 'malformed_time'],
    ['25 hours', payloadOf({ issued: at(-HOUR), expires: at(24 * HOUR) }), 422, 'validity_too_long'],
    ['an end that has passed', payloadOf({ issued: at(-2 * HOUR), expires: at(-HOUR) }), 422, 'expired'],
    ['another network', payloadOf({ network: 'ab'.repeat(32) }), 422, 'wrong_network'],
    ['an unknown kind', payloadOf({ kind: 'transfer' }), 422, 'unknown_kind'],
    ['a member too many', payloadOf({ memo: 'rent' }), 422, 'malformed_payload'],
    ['a member too few', payloadOf({ mode: undefined }), 422, 'malformed_payload'],
    ['a key that nobody registered', text(signed(bytesOf({}), [hsbc, stranger])), 403, 'unknown_key'],
    ["only another party's key", text(signed(bytesOf({}), [other])), 403, 'initiator_signature_missing'],
    [
      'a signature of another payload',
      JSON.stringify({ ...good1, payload: toBase64url(bytesOf({})) }),
      403,
      'bad_signature',
    ],
    [
      'a key that signs twice',
      JSON.stringify({ ...good1, signatures: [signature, signature] }),
      400,
      'duplicate_signer',
    ],
    [
      '17 signatures',
      JSON.stringify({ ...good1, signatures: Array.from({ length: 17 }, () => signature) }),
      400,
      'too_many_signatures',
    ],
    ['no signature', JSON.stringify({ ...good1, signatures: [] }), 400, 'malformed_jws'],
    ['alg none', header({ alg: 'none', kid: hsbc.signer.kid, typ: 'causeway+json' }), 400, 'unsupported_alg'],
    ['alg HS256', header({ alg: 'HS256', kid: hsbc.signer.kid, typ: 'causeway+json' }), 400, 'unsupported_alg'],
    [
      'a header too many',
      header({ alg: 'ES256', crit: ['b64'], kid: hsbc.signer.kid, typ: 'causeway+json' }),
      400,
      'malformed_header',
    ],
    [
      'a kid that is no thumbprint',
      header({ alg: 'ES256', kid: 'key-1', typ: 'causeway+json' }),
      400,
      'malformed_header',
    ],
    ['compact serialization', `${good1.payload}.${signature?.signature}`, 400, 'malformed_json'],
    ['base64 with padding', JSON.stringify({ ...good1, payload: `${good1.payload}==` }), 400, 'malformed_jws'],
    ['the payload as JSON, unsigned', JSON.stringify(base), 400, 'malformed_jws'],
    ['a payload with spaces', text(signed(utf8(JSON.stringify(base, null, 1)))), 422, 'not_canonical'],
    ['a payload that is not UTF-8', text(signed(Uint8Array.of(0x7b, 0xff, 0x7d))), 422, 'not_canonical'],
    ['a body that is not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), 400, 'malformed_json'],
    ['a body with a byte order mark', `\uFEFF${JSON.stringify(good1)}`, 400, 'malformed_json'],
    ['an empty body', '', 400, 'malformed_json'],
    ['a payload of 17 KiB', payloadOf({ memo: 'x'.repeat(17 * 1024) }), 413, 'too_large'],
    ['a body of 65 KiB', ' '.repeat(65 * 1024), 413, 'body_too_large'],
  ];
  const heights = need(await hk.client.getStatus()).height;
  for (const [says, body, status, code] of rows) {
    const answer = await fetch(`${hk.url}/v1/instructions`, {
      method: 'POST',
      headers: { 'content-type': 'application/jose+json' },
      body: (await body) as string,
    });
    const said = (await answer.json()) as { readonly detail: string };
    t.match(
      { status: answer.status, ...said },
      { status, code, detail: /^.{10,}$/ },
      `${says}: ${code}: ${said.detail}`,
    );
  }
  t.equal(need(await hk.client.getStatus()).height, heights, 'nothing of it was ordered');

  const results = [
    ['an amount too exact', { ...payment('1.005') }, 'amount_precision'],
    ['an asset that is none', { ...payment('1.00', 'XAU') }, 'unknown_asset'],
    [
      'a party that is none',
      { ...payment(), legs: [{ from: hsbc.party, to: 'NOBOTHBKXXX', asset: 'HKD', amount: '1.00' }] },
      'unknown_party',
    ],
    ['more than there is', { ...payment('99999999999.00') }, 'insufficient_funds'],
    [
      "another's payment",
      { ...payment(), legs: [{ from: bangkok.party, to: th.party, asset: 'HKD', amount: '1.00' }] },
      'not_a_party',
    ],
  ] as const;
  for (const [says, asked, code] of results) {
    const jws = await signInstruction(buildInstruction({ ...asked, network: id } as unknown as PayloadFields), [
      hsbc.signer,
    ]);
    const { digest } = need(await hk.client.submit(jws));
    t.match(need(await hk.client.waitFinal(digest, FINAL_MS_MAX)), { status: 'final', code }, `${says}: ${code}`);
  }

  const id1 = globalThis.crypto.randomUUID();
  const first = await signed(bytesOf({ id: id1 }));
  const { digest } = need(await hk.client.submit(first));
  t.same(need(await hk.client.submit(first)).digest, digest, 'the same again has the same answer');
  const clash = await hk.client.submit(await signed(bytesOf({ id: id1, ...legs({ amount: '2.00' }) })));
  t.match(clash, { ok: false, problem: { status: 409, code: 'duplicate_id' } });
  t.match(need(await hk.client.waitFinal(digest, FINAL_MS_MAX)), { code: 'settled' });
});

t.test('the command line asks, pays, proposes and consents, and says what was refused', async (t) => {
  const cli = async (...args: readonly string[]) => {
    const { status, stdout, stderr } = await runCli(...args, '--node', hk.url, '--json');
    return { status, said: JSON.parse(stdout) as { digest: string }, stderr };
  };
  const key = ['--key', keyFileOf(network, hsbc.party)];
  const legs = [
    '--leg',
    `${hsbc.party}:${bangkok.party}:HKD:3.00`,
    '--leg',
    `${bangkok.party}:${hsbc.party}:THB:12.45`,
  ];
  const [status, paid, unfunded, proposed] = await Promise.all([
    cli('status'),
    cli('pay', ...key, '--from', hsbc.party, '--to', bangkok.party, '--asset', 'HKD', '--amount', '2.50'),
    cli('pay', ...key, '--from', hsbc.party, '--to', bangkok.party, '--asset', 'HKD', '--amount', '99999999999'),
    cli('pvp', ...key, ...legs),
  ]);
  t.match(status, { status: 0, said: { party: hk.party, ready: true } });
  t.match(paid, { status: 0, said: { status: 'final', code: 'settled' } });
  t.match(unfunded, { status: 1, said: { status: 'final', code: 'insufficient_funds' } });
  t.match(proposed, { status: 3, said: { status: 'pending', code: 'proposed', missing: [bangkok.party] } });
  const consent = await cli('consent', proposed.said.digest, '--key', keyFileOf(network, bangkok.party));
  t.match(consent, { status: 0, said: { code: 'consented' } });
  const out = join(folder, 'cli-receipt.json');
  t.match(await cli('receipt', proposed.said.digest, '--out', out), { status: 0 });
  const [right, other] = await Promise.all([
    runCli('verify', out, '--genesis', network.genesis, '--json'),
    runCli('verify', out, '--genesis', network.genesis, '--digest', 'ab'.repeat(32), '--json'),
  ]);
  t.match(parsed(right), { status: 0, said: { verified: true, code: 'settled', digest: proposed.said.digest } });
  t.match(parsed(other), { status: 1, said: { error: { code: 'other_instruction', verified: false } } });
});

/** What a command ended with, its line of JSON read. */
const parsed = ({ status, stdout }: Ran): { readonly status: number | null; readonly said: unknown } => ({
  status,
  said: JSON.parse(stdout),
});

/** Pays one after the other at a node until told, in several rows; gives the digests that the node took. */
async function load(at: Member, signal: AbortSignal): Promise<string[]> {
  const client = createClient(at.url, { submitAttempts: 1 });
  const { network: id } = need(await client.getStatus());
  const taken: string[] = [];
  const row = async (): Promise<void> => {
    while (!signal.aborted) {
      const answer = await client.submit(
        await signInstruction(buildInstruction({ ...payment('0.01'), network: id }), [hsbc.signer]),
      );
      if (answer.ok) taken.push(answer.value.digest);
      else if (answer.problem.code === 'unreachable') return;
    }
  };
  await Promise.all(Array.from({ length: 4 }, row));
  return taken;
}

t.test('kill -9 of any one process under load loses nothing it had taken, and the network goes on', async (t) => {
  const home = network.homeOf(hsbc);
  t.notOk(network.members.includes(home), 'a bank has a node of its own');
  const nodes = [...network.members, home];
  for (const victim of nodes) {
    const ends = new AbortController();
    const loads = nodes.map((member) => load(member, ends.signal));
    // The load is under way when a payment among it is final.
    await pay(victim === hk ? cn : hk);
    await network.kill([victim]);
    const others = network.members.filter((member) => member !== victim);
    const { height } = await pay(others[0] as Member);
    t.ok(height > 0, `without ${victim.party} the network goes on`);
    ends.abort();
    const taken = (await Promise.all(loads)).flat();
    await network.start([victim]);
    for (const digest of taken) {
      const { status, code } = need(await victim.client.waitFinal(digest, FINAL_MS_MAX));
      if (status !== 'final' || code !== 'settled') t.fail(`${digest} is ${status}, with code ${code}`);
    }
    t.ok(taken.length > 0, `${taken.length} payments that were taken are final at ${victim.party}, which came back`);
  }
});

t.test('with two down it waits, and goes on when one returns', async (t) => {
  await network.kill([th, ae]);
  const { network: id } = need(await hk.client.getStatus());
  const jws = await signInstruction(buildInstruction({ ...payment(), network: id }), [hsbc.signer]);
  const { digest } = need(await hk.client.submit(jws));
  t.match(need(await hk.client.waitFinal(digest, 2_000)), { status: 'pending', code: null }, 'taken, and not final');
  await network.start([th]);
  t.match(need(await hk.client.waitFinal(digest, FINAL_MS_MAX)), { status: 'final', code: 'settled' });
  await network.start([ae]);
  await untilSeen([ae], digest);
});

t.test("a bank's own node reaches the ledger whichever validator hangs", async (t) => {
  const home = network.homeOf(hsbc);
  for (const victim of network.members) {
    const node = network.process(victim) as NodeProcess;
    node.signal('SIGSTOP');
    try {
      const { code } = await pay(home);
      t.equal(code, 'settled', `with ${victim.party} stopped where it stands`);
    } finally {
      node.signal('SIGCONT');
    }
  }
});

t.test('what a bank has from its own node survives a crash of it, and needs no validator to be up', async (t) => {
  const home = network.homeOf(hsbc);
  await network.stop(network.members);
  const { network: id } = need(await home.client.getStatus());
  const jws = await signInstruction(buildInstruction({ ...payment(), network: id }), [hsbc.signer]);
  const { digest } = need(await home.client.submit(jws));
  await network.kill([home]);
  await network.start([home, ...network.members]);
  t.match(need(await home.client.waitFinal(digest, FINAL_MS_MAX)), { status: 'final', code: 'settled' });
  await untilSeen(network.nodes, digest);
});

t.test('stopped and started again, all of it is the same ledger', async (t) => {
  const last = await pay(hk);
  await untilSeen(network.nodes, last.digest);
  const before = need(await hk.client.getBalances({ bic: hsbc.party }));
  const exits = await network.stop();
  t.same(
    exits,
    exits.map(() => ({ status: 0, signal: null })),
    'each ends with status 0',
  );
  await network.start(network.nodes);
  await untilReady(network.nodes);
  for (const { client, party } of network.nodes) {
    t.same(
      need(await client.getBalances({ bic: hsbc.party })).balances,
      before.balances,
      `${party} has the same balances`,
    );
    t.match(need(await client.getInstruction({ digest: last.digest })), { status: 'final', height: last.height });
  }
  const next = await pay(cn);
  t.ok(next.height > last.height, 'and it goes on');
  await untilSeen(network.nodes, next.digest);
  t.ok(await isConserved(network.nodes, next.height), 'all accounts sum to zero on every node');
  t.match(await checkOffline(network, cn, next.digest, join(folder, 'receipt.json')), {
    verified: true,
    code: 'settled',
  });
});

/** A receipt of a new epoch can be shown once a quorum of the new set has said that it goes on. */
async function untilProven({ client }: Member, digest: string): Promise<void> {
  const until = performance.now() + FINAL_MS_MAX;
  for (let answer = await client.getReceipt({ digest }); !answer.ok; answer = await client.getReceipt({ digest })) {
    if (performance.now() > until) throw new Error(`${answer.problem.code}: ${answer.problem.detail}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The change is final in the block that ends the epoch; the next one is opened by what its members then state. */
async function untilInEpoch({ client }: Member, epoch: number): Promise<void> {
  const until = performance.now() + FINAL_MS_MAX;
  while (need(await client.getStatus()).epoch !== epoch) {
    if (performance.now() > until) throw new Error(`not in epoch ${epoch}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

t.test('under load a standby takes the place of a validator, and votes', async (t) => {
  const standby = await network.guest({ name: 'hk-standby', party: hk.party, jurisdiction: 'HK', standby: true });
  await registerNode(cn, standby, [authorityOf(network, 'HK')]);
  await network.start([standby]);
  await untilFollowing([standby], cn);
  t.match(need(await standby.client.getStatus()), { role: 'standby', votes: false, unfit: null });
  t.match(need(await network.homeOf(hsbc).client.getStatus()), { role: 'participant', votes: false });
  const ends = new AbortController();
  const loads = [cn, network.homeOf(hsbc)].map((member) => load(member, ends.signal));
  const authorities = (['HK', 'CN', 'TH'] as const).flatMap((jurisdiction) => [
    '--key',
    join(network.member(jurisdiction).folder, 'keys', 'authority.pem'),
  ]);
  const member = join(standby.folder, 'member.json');
  const sentMs = performance.now();
  const govern = ['govern', 'validators', '--add', member, ...authorities, '--node', cn.url, '--json'];
  t.match(parsed(await runCli(...govern)), { status: 0, said: { status: 'final', code: 'applied' } });
  t.comment(`applied ${Math.round(performance.now() - sentMs)} ms after the command began`);
  await untilInEpoch(cn, 1);
  t.match(need(await cn.client.getStatus()), { role: 'validator', votes: true, unfit: null, change: null, epoch: 1 });
  const set = need(await cn.client.getValidators());
  t.match(set, { epoch: 1, validators: [{ party: hk.party }, { self: true }, {}, {}] });
  const next = await pay(cn);
  ends.abort();
  const taken = (await Promise.all(loads)).flat();
  for (const digest of taken) {
    const { status, code } = need(await cn.client.waitFinal(digest, FINAL_MS_MAX));
    if (status !== 'final' || code !== 'settled') t.fail(`${digest} is ${status}, with code ${code}`);
  }
  t.ok(taken.length > 0, `${taken.length} payments that were taken while the set changed are final`);
  await untilSeen([standby, network.homeOf(hsbc)], next.digest);
  t.equal(need(await standby.client.getValidators()).validators.find(({ self }) => self)?.index, 0);
  t.notOk(
    need(await hk.client.getValidators()).validators.some(({ self }) => self),
    'the one replaced only follows',
  );

  // Of four validators three must vote: without AE, and without the one that was replaced, the standby must.
  t.same(
    await network.stop([hk, ae]),
    [0, 0].map((status) => ({ status, signal: null })),
  );
  const { digest, code } = await pay(network.homeOf(hsbc));
  t.equal(code, 'settled', 'the standby votes');
  for (const node of [cn, network.homeOf(bangkok)]) {
    await untilSeen([node], digest);
    await untilProven(node, digest);
    const file = join(folder, `${node.party}.receipt.json`);
    t.match(await checkOffline(network, node, digest, file), { verified: true, code: 'settled', epoch: 1 });
  }
  await network.start([ae]);
  await untilSeen([ae], digest);
});

t.test('a copy of a validator started a second time does not vote, and says so', async (t) => {
  await network.stop([ae]);
  const copy = join(folder, 'copy');
  cpSync(join(ae.folder, 'data'), copy, { recursive: true });
  // Three of four: what is final from here on, it has voted for, and the copy does not know that.
  await network.stop([th]);
  await network.start([ae]);
  await untilReady([ae]);
  await untilSeen([ae], (await pay(cn)).digest);
  await network.start([th]);
  await untilReady([th]);
  const elsewhere = { ...ae.settings, CAUSEWAY_DATA: copy, CAUSEWAY_HTTP_PORT: '0', CAUSEWAY_P2P_LISTEN: ANY_PORT };
  const config = join(ae.folder, 'node.toml');
  const second = new NodeProcess(config, elsewhere);
  t.same(await second.exited, { status: 20, signal: null } satisfies Exit, 'beside the first one it does not start');
  t.match(second.lastLines().join('\n'), /store_locked: Another process .+\/mark: /);

  await network.stop([ae]);
  const third = new NodeProcess(config, elsewhere);
  const { url } = await third.started;
  t.match(third.lastLines().join('\n'), /never signs again/, 'alone it starts, and knows that it forgot votes');
  t.match(third.lastLines().join('\n'), /vote_log_rolled_back/);
  const client = createClient(url);
  t.match(need(await client.getStatus()), { role: 'validator', votes: false, unfit: 'vote_log_rolled_back' });
  const { digest } = await pay(cn);
  t.match(need(await client.waitFinal(digest, FINAL_MS_MAX)), { code: 'settled' }, 'it follows');
  t.same(await third.stop(), { status: 0, signal: null });
  t.same(deaths, [], 'no node ended unasked');
});
