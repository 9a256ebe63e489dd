import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { Value } from 'typebox/value';
import type { Instruction } from '../../protocol/instruction.js';
import { toJws } from '../../protocol/instruction.js';
import type { TimestampMs } from '../../protocol/types.js';
import type { BlockView, InstructionStatus, Log, NodeService, StatusView, WhatIfResult } from '../ports.js';
import { createClient } from './client.js';
import { EXAMPLE_DIGEST, EXAMPLE_JWS, EXAMPLE_PAYLOAD } from './example.js';
import { PROBLEMS, type ProblemCode } from './problem.js';
import { OPERATION_IDS, ROUTES } from './routes.js';
import { SCHEMAS } from './schemas.js';
import { createServer, ListenError, type Server, type ServerOptions } from './server.js';
import { buildInstruction, cosignInstruction, digestOf, keySigner, proveKey, signInstruction } from './signing.js';

const HASH = 'ab'.repeat(32);
const TIME = Date.UTC(2026, 0, 5, 9, 30) as TimestampMs;
const OTHER_DIGEST = 'cd'.repeat(32);
const PARTY = EXAMPLE_PAYLOAD.initiator;
const LOCK = { hash: HASH, lockUntil: TIME, leaving: [PARTY] };

const STATUS: StatusView = {
  network: EXAMPLE_PAYLOAD.network,
  name: 'test',
  party: 'HKMAHKHHXXX',
  version: '0.1.0',
  height: 7,
  time: TIME,
  now: TIME,
  test: null,
  epoch: 0,
  view: 9,
  resultRoot: HASH,
  peers: 3,
  validators: 4,
  ready: true,
  role: 'validator',
  votes: true,
  unfit: null,
  change: null,
  halted: null,
  evidence: 0,
};

const OPEN = {
  digest: HASH,
  initiator: PARTY,
  id: '3f0c2a54-7d1e-4c0b-9b57-2a6a1d3c8e90',
  legs: [{ from: PARTY, to: 'BKTHTHBKXXX', asset: 'HKD', amount: '1.00' }],
  part: 1,
  lots: 1,
  linked: [{ legs: [], notBefore: TIME, settleBy: TIME }],
};

const FLOW = { in: { count: 1, value: '1.00' }, out: { count: 2, value: '2.50' } };
const AMENDS = { settlement: HASH, part: 2, replaces: OPEN.legs, legs: OPEN.legs };

/** A node in memory: what is submitted stays pending until `settle`. */
class MemoryNode implements NodeService {
  readonly instructions = new Map<string, Instruction>();
  readonly settled = new Set<string>();
  readonly waiting = new Set<() => void>();
  refusal: Awaited<ReturnType<NodeService['submit']>> = { accepted: true };
  view: StatusView = STATUS;
  /** Called whenever a wait begins or ends. */
  onWait: () => void = () => undefined;

  async submit(instruction: Instruction) {
    if (this.refusal.accepted) this.instructions.set(instruction.digest, instruction);
    return this.refusal;
  }
  async status(digest: string): Promise<InstructionStatus> {
    if (!this.instructions.has(digest)) return { status: 'unknown' };
    if (this.settled.has(digest)) return { status: 'final', code: 'settled', height: 7, time: TIME };
    return { status: 'pending', code: 'proposed', height: 6, time: TIME, missing: ['BKTHTHBKXXX'], lock: LOCK };
  }
  async waitFinal(digest: string, timeoutMs: number, signal: AbortSignal): Promise<InstructionStatus> {
    const before = await this.status(digest);
    if (before.status !== 'pending' || timeoutMs === 0 || signal.aborted) return before;
    await new Promise<void>((resolve) => {
      this.waiting.add(resolve);
      signal.addEventListener('abort', () => resolve());
      this.onWait();
    }).finally(() => this.waiting.clear());
    this.onWait();
    return this.status(digest);
  }
  settle(digest: string): void {
    this.settled.add(digest);
    for (const resolve of this.waiting) resolve();
  }
  async receipt(digest: string) {
    return this.settled.has(digest)
      ? { format: 'causeway-receipt/1', network: HASH, receipt: 'AA', path: {}, certificate: {} }
      : null;
  }
  balances(party: string) {
    const balance = { asset: 'HKD', balance: '-12.50', held: '2.50', available: '85.00' };
    return party === PARTY ? { height: 7, balances: [balance] } : null;
  }
  queue(party: string, after: string | undefined) {
    if (party !== PARTY) return null;
    const dates = { notBefore: TIME, cancelUntil: TIME, cutoff: TIME, settleBy: TIME };
    const entry = {
      ...OPEN,
      ...dates,
      position: after === undefined ? 1 : 51,
      stage: 'queued' as const,
      priority: 'high' as const,
      leaving: [],
      lacking: [{ party: PARTY, asset: 'HKD', amount: '0.50' }],
      limited: [],
      behind: [],
    };
    return { height: 7, entries: [entry], next: after === undefined ? '1.50.50' : null };
  }
  proposals(party: string, after: string | undefined) {
    if (party !== PARTY) return null;
    return {
      height: 7,
      entries:
        after === undefined
          ? [{ ...OPEN, missing: [PARTY], consentUntil: TIME, terms: null, lock: LOCK, amends: AMENDS }]
          : [],
      next: null,
    };
  }
  positions(party: string) {
    if (party !== PARTY) return null;
    const day = { date: '2026-01-05', ...FLOW, net: '-1.50', projected: '-14.00', outflowsOnly: '-15.00' };
    const position = { asset: 'HKD', balance: '-12.50', floor: '-100.00', days: [day], lowest: '-15.00' };
    return { height: 7, time: TIME, positions: [position] };
  }
  totals(party: string) {
    if (party !== PARTY) return null;
    const settled = { date: '2026-01-05', fromHeight: 3, whole: false, assets: [{ asset: 'HKD', ...FLOW }] };
    const unsettled = { asset: 'HKD', proposed: FLOW, scheduled: FLOW, queued: FLOW, locked: FLOW, linked: FLOW };
    return { height: 7, time: TIME, unsettled: [unsettled], settled: [settled] };
  }
  async whatIf(party: string, asset: string, amount: string): Promise<WhatIfResult> {
    if (party !== PARTY) return { ok: false, code: 'unknown_party' };
    if (asset !== 'HKD') return { ok: false, code: 'unknown_asset' };
    if (amount === '0') return { ok: false, code: 'bad_amount', decimals: 2 };
    if (amount === '9') return { ok: false, code: 'what_if_busy', retryAfterMs: 1_001 };
    const sums = {
      own: { count: 1, assets: [{ asset, ...FLOW }], settlements: [HASH] },
      all: { count: 2, assets: [{ asset, count: 2, value: '7.00' }] },
    };
    return {
      ok: true,
      value: { height: 7, time: TIME, party, asset, amount, complete: true, released: sums, delayed: sums },
    };
  }
  calendar(asset: string) {
    if (asset !== 'HKD') return null;
    return { height: 7, zone: 'Asia/Hong_Kong', days: [{ date: '2026-01-05', openMs: TIME, closeMs: TIME }] };
  }
  assets() {
    const asset = {
      asset: 'HKD',
      class: 'wcbdc',
      name: 'e-HKD',
      issuer: 'HKMAHKHHXXX',
      jurisdiction: 'HK',
      decimals: 2,
      cap: '100.00',
      circulating: '12.50',
    };
    return { height: 7, assets: [asset] };
  }
  participants() {
    const jwk = keySigner('ES256', new Uint8Array(32).fill(3)).jwk;
    const keys = [{ kid: HASH.slice(0, 43), jwk }];
    return {
      height: 7,
      participants: [
        {
          party: PARTY,
          name: 'Bank',
          lei: '254900OPPU84GM83MG36',
          jurisdiction: 'HK',
          authority: false,
          suspended: false,
          solver: false,
          threshold: 1,
          keys,
        },
      ],
    };
  }
  validators() {
    return {
      height: 7,
      epoch: 0,
      validators: [{ index: 0, party: 'HKMAHKHHXXX', voteKey: HASH, networkKey: HASH, self: true, connected: true }],
    };
  }
  async block(height: number): Promise<BlockView | null> {
    if (height === 6) throw new Error('secret of the disk');
    if (height > 7) return null;
    const receipts = [{ digest: HASH, code: 'settled', kind: 'settle', initiator: PARTY, id: EXAMPLE_PAYLOAD.id }];
    const roots = { id: HASH, parent: HASH, resultRoot: HASH, receiptsRoot: HASH, stateRoot: HASH };
    return {
      height,
      view: 9,
      epoch: 0,
      time: TIME,
      proposer: 1,
      ...roots,
      receipts,
      lanes: [this.instructions.size],
      instructions: [...this.instructions.values()].map(toJws),
    };
  }
  statusView() {
    return this.view;
  }
}

const errors: object[] = [];
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (fields) => errors.push(fields),
};
const metrics = {
  count: () => undefined,
  render: async () => '# HELP up\nup 1\n',
  contentType: 'text/plain; version=0.0.4',
};

async function serve(
  t: Test,
  more: Partial<ServerOptions> = {},
): Promise<{ node: MemoryNode; url: string; server: Server }> {
  const node = new MemoryNode();
  const server = createServer({ service: node, metrics, log, port: 0, ...more });
  const url = await server.start();
  t.teardown(() => server.stop());
  return { node, url, server };
}

const post = (
  url: string,
  body: string | Uint8Array | undefined,
  headers: Record<string, string> = { 'content-type': 'application/json' },
) => fetch(`${url}/v1/instructions`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });

/** Sends bytes as they are and gives all that comes back until the server closes. */
async function raw(url: string, text: string): Promise<{ status: number; headers: string; body: string }> {
  const socket = createConnection(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  const [headers = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), body };
}

function isProblem(
  t: Test,
  name: string,
  code: ProblemCode,
  answer: { status: number; contentType: string | null; body: unknown },
): void {
  t.match(answer.contentType, /^application\/problem\+json/, `${name}: problem+json`);
  t.ok(Value.Check(SCHEMAS.Problem, answer.body), `${name}: has a problem's form`);
  t.match(
    answer.body,
    { type: `urn:causeway:problem:${code}`, code, status: PROBLEMS[code].status, title: PROBLEMS[code].title },
    name,
  );
  t.equal(answer.status, PROBLEMS[code].status, `${name}: ${answer.status}`);
  t.match((answer.body as { detail: string }).detail, /^.{10,400}\.$/, `${name}: a sentence`);
}

t.test('every route answers by its schema', async (t) => {
  const { node, url } = await serve(t);
  const submitted = await post(url, JSON.stringify(EXAMPLE_JWS));
  t.equal(submitted.status, 202);
  t.equal(submitted.headers.get('location'), `/v1/instructions/${EXAMPLE_DIGEST}`);
  t.strictSame(await submitted.json(), {
    id: EXAMPLE_PAYLOAD.id,
    initiator: PARTY,
    digest: EXAMPLE_DIGEST,
    status: 'pending',
  });
  const pending = await (await fetch(`${url}/v1/instructions/${EXAMPLE_DIGEST}`)).json();
  t.strictSame(pending, {
    digest: EXAMPLE_DIGEST,
    status: 'pending',
    code: 'proposed',
    height: 6,
    time: '2026-01-05T09:30:00.000Z',
    missing: ['BKTHTHBKXXX'],
    lock: { ...LOCK, lockUntil: '2026-01-05T09:30:00.000Z' },
  });
  node.settle(EXAMPLE_DIGEST);
  t.strictSame(
    await (
      await post(url, JSON.stringify(EXAMPLE_JWS, null, 2), { 'content-type': 'application/jose+json; charset=utf-8' })
    ).json(),
    {
      id: EXAMPLE_PAYLOAD.id,
      initiator: PARTY,
      digest: EXAMPLE_DIGEST,
      status: 'pending',
    },
  );

  for (const id of OPERATION_IDS) {
    const route = ROUTES[id];
    if (route.method === 'POST') continue;
    const path = route.path
      .replace('{digest}', EXAMPLE_DIGEST)
      .replace('{bic}', PARTY)
      .replace('{height}', '7')
      .replace('{asset}', 'HKD');
    const query = id === 'getWhatIf' ? '?asset=HKD&amount=5000.00' : '';
    const response = await fetch(`${url}${path}${query}`);
    const text = await response.text();
    t.equal(response.status, route.status, path);
    t.equal(response.headers.get('x-content-type-options'), 'nosniff', path);
    t.equal(response.headers.get('cache-control'), 'no-store', path);
    const value: unknown = route.contentType === 'text/plain' ? text : JSON.parse(text);
    t.strictSame([...Value.Errors(SCHEMAS[route.answer], value)], [], path);
    const head = await fetch(`${url}${path}${query}`, { method: 'HEAD' });
    t.equal(head.status, 200, `HEAD ${path}`);
    t.equal(await head.text(), '');
    const options = await fetch(`${url}${path}`, { method: 'OPTIONS' });
    t.strictSame([options.status, options.headers.get('allow')], [204, 'GET, HEAD, OPTIONS'], `OPTIONS ${path}`);
  }
});

t.test('every kind of wrong request has its own answer', async (t) => {
  const { node, url } = await serve(t);
  const jws = JSON.stringify(EXAMPLE_JWS);
  const json = { 'content-type': 'application/json' };
  type Ask = () => Promise<Response>;
  const get =
    (path: string, method = 'GET'): Ask =>
    () =>
      fetch(`${url}${path}`, { method });
  const whatIf = (query: string, party: string = PARTY): Ask => get(`/v1/parties/${party}/queue/what-if?${query}`);
  const rows: [name: string, code: ProblemCode, ask: Ask, detail?: RegExp][] = [
    ['no such path', 'not_found', get('/v2/instructions'), /openapi\.json/],
    ['the root', 'not_found', get('/')],
    ['trailing slash', 'not_found', get('/v1/status/')],
    ['other case', 'not_found', get('/V1/STATUS')],
    ['an empty parameter', 'invalid_parameter', get('/v1/parties//balances')],
    ['POST without a path', 'not_found', () => fetch(`${url}/nowhere`, { method: 'POST', body: '{}', headers: json })],
    ['wrong method', 'method_not_allowed', get('/v1/instructions'), /GET is not a method.*POST, OPTIONS/],
    [
      'wrong method with a body',
      'method_not_allowed',
      () => fetch(`${url}/v1/status`, { method: 'PUT', body: 'x', headers: { 'content-type': 'text/plain' } }),
    ],
    ['a method nobody has', 'method_not_allowed', get('/v1/status', 'PROPFIND')],
    ['DELETE', 'method_not_allowed', get(`/v1/instructions/${EXAMPLE_DIGEST}`, 'DELETE')],
    ['bad percent', 'malformed_url', get('/v1/instructions/%zz')],
    ['bad percent outside', 'malformed_url', get('/%E0%A4%A')],
    ['long segment', 'url_too_long', get(`/v1/instructions/${'a'.repeat(200)}`)],
    [
      'digest in upper case',
      'invalid_parameter',
      get(`/v1/instructions/${HASH.toUpperCase()}`),
      /`digest` must be .*64 lower-case hex digits/,
    ],
    ['short digest', 'invalid_parameter', get('/v1/instructions/abcd/receipt')],
    ['BIC of eight', 'invalid_parameter', get('/v1/parties/HKMAHKHH/balances'), /BIC of eleven/],
    ['height with a sign', 'invalid_parameter', get('/v1/blocks/-1')],
    ['height with a zero', 'invalid_parameter', get('/v1/blocks/007')],
    ['unknown query member', 'invalid_parameter', get('/v1/status?verbose=1'), /knows no query member `verbose`/],
    [
      'wait for something else',
      'invalid_parameter',
      get(`/v1/instructions/${HASH}?wait=ordered`),
      /`wait` must be "final"/,
    ],
    ['wait twice', 'invalid_parameter', get(`/v1/instructions/${HASH}?wait=final&wait=final`), /there but once/],
    [
      'too long a wait',
      'invalid_parameter',
      get(`/v1/instructions/${HASH}?wait=final&timeoutMs=30001`),
      /`timeoutMs` must be a whole number of milliseconds/,
    ],
    ['a wait in words', 'invalid_parameter', get(`/v1/instructions/${HASH}?wait=final&timeoutMs=1e3`)],
    ['timeout without wait', 'invalid_parameter', get(`/v1/instructions/${HASH}?timeoutMs=5`), /needs `wait=final`/],
    [
      'unknown instruction',
      'unknown_instruction',
      get(`/v1/instructions/${OTHER_DIGEST}`),
      /may still take effect until its expires/,
    ],
    [
      'unknown instruction, waited for',
      'unknown_instruction',
      get(`/v1/instructions/${OTHER_DIGEST}?wait=final&timeoutMs=0`),
    ],
    ['unknown receipt', 'unknown_instruction', get(`/v1/instructions/${OTHER_DIGEST}/receipt`)],
    ['unknown party', 'unknown_party', get('/v1/parties/AAAABBCCXXX/balances')],
    ['the calendar of an unknown asset', 'unknown_asset', get('/v1/assets/USD/calendar')],
    ['positions of an unknown party', 'unknown_party', get('/v1/parties/AAAABBCCXXX/queue/positions')],
    ['totals of an unknown party', 'unknown_party', get('/v1/parties/AAAABBCCXXX/queue/totals')],
    ['a what-if of an unknown party', 'unknown_party', whatIf('asset=HKD&amount=1', 'AAAABBCCXXX')],
    ['a what-if in an unknown asset', 'unknown_asset', whatIf('asset=USD&amount=1')],
    [
      'a what-if of nothing',
      'invalid_parameter',
      whatIf('asset=HKD&amount=0'),
      /`amount` must be above zero.* 2 decimals/,
    ],
    ['a what-if without an amount', 'invalid_parameter', whatIf('asset=HKD')],
    ['a what-if without an asset', 'invalid_parameter', whatIf('amount=1')],
    ['an amount with a sign', 'invalid_parameter', whatIf('asset=HKD&amount=-1'), /`amount` must be a decimal number/],
    ['an asset in lower case', 'invalid_parameter', whatIf('asset=hkd&amount=1'), /`asset` must be an asset's code/],
    ['two amounts', 'invalid_parameter', whatIf('asset=HKD&amount=1&amount=2')],
    ['a member that is not known', 'invalid_parameter', whatIf('asset=HKD&amount=1&now=1'), /no query member `now`/],
    ['a what-if while there is another', 'what_if_busy', whatIf('asset=HKD&amount=9'), /one what-if at a time/],
    ['the queue of an unknown party', 'unknown_party', get('/v1/parties/AAAABBCCXXX/queue')],
    ['proposals to an unknown party', 'unknown_party', get('/v1/parties/AAAABBCCXXX/proposals')],
    ['a cursor of no page', 'invalid_parameter', get(`/v1/parties/${PARTY}/queue?after=3.1`), /earlier page/],
    [
      'a cursor of another list',
      'invalid_parameter',
      get(`/v1/parties/${PARTY}/proposals?after=1.1.1`),
      /earlier page/,
    ],
    ['unknown block', 'unknown_block', get('/v1/blocks/8'), /its last is 7/],
    ['the node fails', 'internal', get('/v1/blocks/6'), /its log holds the cause/],
    [
      'no content type',
      'unsupported_media_type',
      () => post(url, new TextEncoder().encode(jws), {}),
      /application\/jose\+json/,
    ],
    ['another content type', 'unsupported_media_type', () => post(url, jws, { 'content-type': 'text/plain' })],
    ['a malformed content type', 'unsupported_media_type', () => post(url, jws, { 'content-type': 'json' })],
    [
      'a compressed body',
      'unsupported_media_type',
      () => post(url, jws, { ...json, 'content-encoding': 'gzip' }),
      /Content-Encoding/,
    ],
    ['no body', 'malformed_json', () => post(url, undefined, {}), /body is empty/],
    ['an empty body', 'malformed_json', () => post(url, '')],
    ['no JSON', 'malformed_json', () => post(url, 'hello')],
    ['a compact JWS', 'malformed_json', () => post(url, 'a.b.c'), /not compact/],
    ['no UTF-8', 'malformed_json', () => post(url, Uint8Array.of(0x7b, 0xff, 0x7d))],
    ['a member twice', 'malformed_json', () => post(url, jws.replace('{', `{"payload":"${EXAMPLE_JWS.payload}",`))],
    ['another value', 'malformed_jws', () => post(url, 'null')],
    ['__proto__', 'malformed_jws', () => post(url, jws.replace('{', '{"__proto__":{},'))],
    ['too big for an instruction', 'body_too_large', () => post(url, `"${'a'.repeat(70_000)}"`), /65536 bytes/],
    [
      'no canonical payload',
      'not_canonical',
      () => post(url, JSON.stringify({ ...EXAMPLE_JWS, payload: Buffer.from('{ }').toString('base64url') })),
    ],
  ];
  for (const [name, code, ask, detail] of rows) {
    const response = await ask();
    const body = (await response.json()) as { detail: string };
    isProblem(t, name, code, { status: response.status, contentType: response.headers.get('content-type'), body });
    t.equal(response.headers.get('cache-control'), 'no-store', name);
    if (detail !== undefined) t.match(body.detail, detail, `${name}: detail`);
    t.notMatch(JSON.stringify(body), /secret|node_modules|FST_/, `${name}: nothing leaks`);
  }
  t.equal((await whatIf('asset=HKD&amount=9')()).headers.get('retry-after'), '2', 'in whole seconds');
  const wrong = await post(url, JSON.stringify({ ...EXAMPLE_JWS, header: {} }));
  t.match(await wrong.json(), { code: 'malformed_jws', pointer: '/header', detail: /^\/header: .*\.$/ });
  t.match(errors, [{ error: { message: 'secret of the disk' } }], 'the cause is in the log');

  for (const code of ['unknown_key', 'duplicate_id', 'lane_full', 'not_ready'] as const) {
    node.refusal = { accepted: false, code, detail: 'The replica says why.' };
    const response = await post(url, jws);
    isProblem(t, code, code, {
      status: response.status,
      contentType: response.headers.get('content-type'),
      body: await response.json(),
    });
    t.equal(response.headers.get('retry-after'), PROBLEMS[code].status === 503 ? '1' : null, code);
  }
  node.refusal = { accepted: true };
  await post(url, jws);
  const early = await fetch(`${url}/v1/instructions/${EXAMPLE_DIGEST}/receipt`);
  isProblem(t, 'early receipt', 'receipt_not_ready', {
    status: early.status,
    contentType: early.headers.get('content-type'),
    body: await early.json(),
  });

  node.view = { ...STATUS, ready: false };
  t.match(await (await fetch(`${url}/readyz`)).json(), { code: 'not_ready', detail: /catching up/ });
  node.view = { ...STATUS, ready: false, halted: 'state_divergence' };
  t.match(await (await fetch(`${url}/readyz`)).json(), { code: 'not_ready', detail: /state_divergence/ });
  t.equal((await fetch(`${url}/healthz`)).status, 200, 'it lives all the same');
});

t.test('what is no proper HTTP has a problem too', async (t) => {
  const { url } = await serve(t);
  const head = 'Host: a\r\nConnection: close\r\n';
  const type = 'Content-Type: application/json\r\n';
  const rows: [name: string, code: ProblemCode, text: string][] = [
    ['no HTTP', 'malformed_request', 'hello\r\n\r\n'],
    ['no Host', 'malformed_request', 'GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n'],
    [
      'two lengths',
      'malformed_request',
      `POST /v1/instructions HTTP/1.1\r\n${head}${type}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    ],
    [
      'length and chunks',
      'malformed_request',
      `POST /v1/instructions HTTP/1.1\r\n${head}${type}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na`,
    ],
    [
      'a bad chunk',
      'malformed_request',
      `POST /v1/instructions HTTP/1.1\r\n${head}${type}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ['big headers', 'headers_too_large', `GET /v1/status HTTP/1.1\r\n${head}X: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['a long URL', 'headers_too_large', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${head}\r\n`],
    [
      'a length past the limit',
      'body_too_large',
      `POST /v1/instructions HTTP/1.1\r\n${head}${type}Content-Length: 99999999\r\n\r\n`,
    ],
    [
      'chunks past the limit',
      'body_too_large',
      `POST /v1/instructions HTTP/1.1\r\n${head}${type}Transfer-Encoding: chunked\r\n\r\n11000\r\n${'a'.repeat(0x11000)}\r\n0\r\n\r\n`,
    ],
    [
      'an expectation',
      'expectation_failed',
      `POST /v1/instructions HTTP/1.1\r\n${head}${type}Expect: miracles\r\nContent-Length: 1\r\n\r\na`,
    ],
    ['TRACE', 'method_not_allowed', `TRACE /v1/status HTTP/1.1\r\n${head}\r\n`],
    ['a whole URL as target', 'not_found', `GET http://a/v1/nothing HTTP/1.1\r\n${head}\r\n`],
  ];
  for (const [name, code, text] of rows) {
    const answer = await raw(url, text);
    const contentType = /content-type: (.*)/.exec(answer.headers)?.[1] ?? null;
    const body = answer.headers.includes('transfer-encoding: chunked') ? answer.body.split('\r\n')[1] : answer.body;
    isProblem(t, name, code, { status: answer.status, contentType, body: JSON.parse(body ?? '') });
  }
});

const started = async (url: string, path: string): Promise<Socket> => {
  const socket = createConnection(Number(new URL(url).port), '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await once(socket, 'connect');
  return socket;
};

t.test('waiting: for the outcome, for the end of the server, for nobody', async (t) => {
  const { node, url, server } = await serve(t, { waitersMax: 1 });
  await post(url, JSON.stringify(EXAMPLE_JWS));
  const path = `/v1/instructions/${EXAMPLE_DIGEST}?wait=final`;
  const change = () => new Promise<void>((resolve) => (node.onWait = resolve));

  const left = change();
  const socket = await started(url, path);
  await left;
  t.equal(node.waiting.size, 1);
  const full = await fetch(`${url}${path}`);
  isProblem(t, 'full', 'overloaded', {
    status: full.status,
    contentType: full.headers.get('content-type'),
    body: await full.json(),
  });
  const ended = change();
  socket.destroy();
  await ended;
  t.equal(node.waiting.size, 0, 'who went away no longer waits');

  const waits = change();
  // A request that the parser refuses, behind one that waits: it must not be taken for that one's answer.
  const pipelined = await started(url, path);
  await waits;
  let said = '';
  pipelined.on('data', (chunk) => (said += String(chunk)));
  const gone = change();
  pipelined.write('rubbish\r\n\r\n');
  await Promise.all([once(pipelined, 'close'), gone]);
  t.equal(said, '');

  const again = change();
  const stopped = fetch(`${url}${path}`);
  await again;
  await Promise.all([
    server.stop(),
    stopped.then(async (response) =>
      t.match(await response.json(), { status: 'pending' }, 'the end of the server answers'),
    ),
  ]);
  await t.rejects(fetch(`${url}/healthz`), 'and then nobody listens');

  const second = await serve(t);
  await post(second.url, JSON.stringify(EXAMPLE_JWS));
  const begun = new Promise<void>((resolve) => (second.node.onWait = resolve));
  const outcome = fetch(`${second.url}${path}`);
  await begun;
  second.node.settle(EXAMPLE_DIGEST);
  t.match(await (await outcome).json(), { status: 'final', code: 'settled', height: 7, missing: [] });
});

t.test('an address that cannot be had', async (t) => {
  const { url } = await serve(t);
  const port = Number(new URL(url).port);
  const make = (host: string, at: number) => createServer({ service: new MemoryNode(), metrics, log, host, port: at });
  await t.rejects(make('127.0.0.1', port).start(), {
    code: 'address_in_use',
    message: new RegExp(`Port ${port} .* taken`),
  });
  await t.rejects(make('192.0.2.1', 0).start(), { code: 'address_unavailable' });
  t.ok(
    (await make('127.0.0.1', port)
      .start()
      .catch((error: unknown) => error)) instanceof ListenError,
  );
});

t.test('the client, round trip', async (t) => {
  const { node, url } = await serve(t);
  const client = createClient(`${url}/`);
  const [bank, other] = [
    keySigner('ES256', new Uint8Array(32).fill(5)),
    keySigner('Ed25519', new Uint8Array(32).fill(6)),
  ];
  const { kind, mode, network, initiator, legs } = EXAMPLE_PAYLOAD;
  const built = buildInstruction({ kind, mode, network, initiator, legs: [...legs] });
  const jws = await cosignInstruction(await signInstruction(built, [bank]), [other]);
  t.equal(digestOf(jws), built.digest);
  t.equal(digestOf({ payload: '*' }), null);
  t.match(await client.submit(jws), {
    ok: true,
    value: { digest: built.digest, id: built.payload.id, status: 'pending' },
  });
  t.strictSame(
    node.instructions.get(built.digest)?.signatures.map(({ kid }) => kid),
    [bank.kid, other.kid],
  );
  t.match(await client.getInstruction({ digest: built.digest }), {
    ok: true,
    value: {
      status: 'pending',
      code: 'proposed',
      lock: { hash: HASH, lockUntil: '2026-01-05T09:30:00.000Z', leaving: [PARTY] },
    },
  });
  t.match(await client.waitFinal(built.digest, 0), { ok: true, value: { status: 'pending' } }, 'no time, no wait');
  node.onWait = () => node.settle(built.digest);
  t.match(await client.waitFinal(built.digest, 90_000), { ok: true, value: { status: 'final', code: 'settled' } });
  t.match(await client.getReceipt({ digest: built.digest }), { ok: true, value: { format: 'causeway-receipt/1' } });
  t.match(await client.getBalances({ bic: initiator }), {
    ok: true,
    value: { height: 7, balances: [{ asset: 'HKD', balance: '-12.50', held: '2.50', available: '85.00' }] },
  });
  t.match(await client.getPositions({ bic: PARTY }), { ok: true, value: { positions: [{ lowest: '-15.00' }] } });
  t.match(await client.getTotals({ bic: PARTY }), { ok: true, value: { settled: [{ fromHeight: 3, whole: false }] } });
  t.match(await client.getWhatIf({ bic: PARTY, asset: 'HKD', amount: '5000.00' }), {
    ok: true,
    value: { party: PARTY, asset: 'HKD', amount: '5000.00', released: { own: { settlements: [HASH] } } },
  });
  t.match(await client.getQueue({ bic: PARTY }), {
    ok: true,
    value: {
      party: PARTY,
      next: '1.50.50',
      entries: [{ position: 1, stage: 'queued', settleBy: '2026-01-05T09:30:00.000Z' }],
    },
  });
  t.match(await client.getQueue({ bic: PARTY, after: '1.50.50' }), {
    ok: true,
    value: { next: null, entries: [{ position: 51 }] },
  });
  t.match(await client.getCalendar({ asset: 'HKD' }), {
    ok: true,
    value: { asset: 'HKD', zone: 'Asia/Hong_Kong', days: [{ date: '2026-01-05', open: '2026-01-05T09:30:00.000Z' }] },
  });
  t.match(await client.getProposals({ bic: PARTY }), {
    ok: true,
    value: {
      entries: [{ missing: [PARTY], terms: null, linked: [{ settleBy: '2026-01-05T09:30:00.000Z' }], amends: AMENDS }],
      next: null,
    },
  });
  t.match(await client.getProposals({ bic: PARTY, after: HASH }), { ok: true, value: { entries: [] } });
  t.match(await client.getBlock({ height: '7' }), {
    ok: true,
    value: { time: '2026-01-05T09:30:00.000Z', instructions: [jws] },
  });
  for (const id of [
    'getAssets',
    'getParticipants',
    'getValidators',
    'getStatus',
    'getHealth',
    'getReady',
    'getMetrics',
    'getOpenApi',
  ] as const) {
    t.match(await client[id](), { ok: true }, id);
  }
  t.match(await client.getBlock({ height: '9' }), { ok: false, problem: { code: 'unknown_block', status: 404 } });
  t.match(
    await client.getBalances({ bic: '../../x' }),
    { ok: false, problem: { code: 'invalid_parameter' } },
    'a parameter stays a parameter',
  );

  const newKey = await proveKey({ network, party: 'BKTHTHBKXXX', jwk: bank.jwk }, bank);
  const admit = buildInstruction({
    kind: 'participant',
    action: 'admit',
    network,
    initiator: 'HKMAHKHHXXX',
    party: 'BKTHTHBKXXX',
    name: 'Bank',
    lei: '254900OPPU84GM83MG36',
    jurisdiction: 'TH',
    keys: [newKey],
    threshold: 1,
  });
  t.match(await client.submit(await signInstruction(admit, [other])), { ok: true }, 'a proven key is well formed');
  await t.rejects(proveKey({ network, party: 'BKTHTHBKXXX', jwk: bank.jwk }, other), /the key that signs/);
});

t.test('the client submits again when it may help, and only then', async (t) => {
  const answers: (() => Response)[] = [];
  const delays: number[] = [];
  let asked = 0;
  const fake = async (): Promise<Response> => {
    asked += 1;
    const next = answers.shift();
    if (next === undefined)
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) });
    return next();
  };
  const client = createClient('http://node.example', { fetch: fake, delay: async (ms) => void delays.push(ms) });
  const refused = (code: ProblemCode) => () =>
    new Response(
      JSON.stringify({
        type: `urn:causeway:problem:${code}`,
        title: 'x',
        status: PROBLEMS[code].status,
        code,
        detail: 'x',
      }),
      { status: PROBLEMS[code].status },
    );
  const accepted = () =>
    new Response(JSON.stringify({ id: 'x', initiator: PARTY, digest: HASH, status: 'pending' }), { status: 202 });

  answers.push(refused('lane_full'), refused('shutting_down'), accepted);
  t.match(await client.submit(EXAMPLE_JWS), { ok: true });
  t.strictSame(delays.splice(0), [200, 400]);
  t.match(await client.submit(EXAMPLE_JWS), {
    ok: false,
    problem: { code: 'unreachable', status: 0, detail: /node\.example.*ECONNREFUSED/ },
  });
  t.strictSame(delays.splice(0), [200, 400, 800, 1600]);
  asked = 0;
  answers.push(refused('duplicate_id'));
  t.match(await client.submit(EXAMPLE_JWS), { ok: false, problem: { code: 'duplicate_id' } });
  answers.push(() => new Response('<html>', { status: 502 }));
  t.match(await client.submit(EXAMPLE_JWS), { ok: false, problem: { code: 'bad_answer', detail: /502/ } });
  answers.push(() => new Response('{"height":"7"}'));
  t.match(await client.getAssets(), { ok: false, problem: { code: 'bad_answer' } });
  t.equal(asked, 3);
});
