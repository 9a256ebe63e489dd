import t from 'tap';
import { decodeEntry, encodeEntry, nameOfKey } from '../../ledger/codecs.js';
import { unpackReceipts } from '../../ledger/receipt.js';
import { ALFA, BETA, HKMA, HOUR } from '../../ledger/samples.test-helper.js';
import { batchDigest, encodeBatch } from '../../protocol/block.js';
import type { Finalization } from '../../protocol/certificate.js';
import { fromHex, fromUtf8, Reader, toHex, utf8, Writer } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import { concat, hashOf, hashPairs } from '../../protocol/hash.js';
import { encodeItem, type Instruction, instructionDigest, type SignatureEntry } from '../../protocol/instruction.js';
import { protectedTextOf } from '../../protocol/jws.js';
import { fc } from '../../protocol/property.test-helper.js';
import {
  assert,
  type Batch,
  type BatchDigest,
  type Epoch,
  type Hash,
  type Height,
  type InstructionDigest,
  type Thumbprint,
  type TimestampMs,
  type Validator,
  type ValidatorIndex,
  type View,
  ZERO_HASH,
} from '../../protocol/types.js';
import type { Operation, Store, Table } from '../ports.js';
import { ARCHIVE_TABLES, type Archive, archivePieces, notNow, openArchive, type ReadAt } from './archive.js';
import { type Audit, audit } from './audit.js';
import { checked, EVERYTHING } from './checked.js';
import { type Records, recordsOf } from './findings.js';
import { certify, cheap, Ledger, NETWORK, SET, TestClock, verifier } from './ledgerstore.test-helper.js';
import { Mark } from './mark.js';
import { MemoryStore } from './memorystore.test-helper.js';
import { getFloor, putFloor } from './prune.js';
import {
  DATA_FORMAT,
  getBlock,
  getCount,
  getFinal,
  getPlace,
  getRestored,
  metaKey,
  type Place,
  putBatch,
  putBlock,
  putCount,
  putFinal,
  putHandOver,
  putIncarnation,
  putOutbox,
  putPlace,
} from './records.js';
import { recover } from './recovery.js';
import { restoreRecords } from './restoring.js';
import { putSurveyed } from './survey.js';

const PACE = { pause: () => Promise.resolve(), isLate: () => false, onDamage: () => undefined };
const VOTE_KEY = '5a'.repeat(32) as Hash;
const MADE = { party: 'HKMAHKHHXXX', version: '0.1.0', madeMs: 1_700_000_000_000 as TimestampMs };
const genesis = {
  network: NETWORK,
  validators: SET,
  authorities: [],
  created: 0 as TimestampMs,
} as unknown as Genesis;

/** That of the ledger grown last. */
let now = 0 as TimestampMs;

/** A ledger of some blocks, its first one that of a snapshot's kind: nothing before it is here. */
async function grown(): Promise<{ ledger: Ledger; disk: MemoryStore; store: Store }> {
  const disk = new MemoryStore();
  const store = checked(disk);
  const ledger = await Ledger.begin(store);
  const { height } = ledger.header;
  for (let at = 0; at < 5; at++) {
    const { book } = ledger;
    const pays = Array.from({ length: 2 }, (_, i) => book.pay(i % 2 ? ALFA : HKMA, BETA, '1.00'));
    await ledger.block([[book.admit(`P${at}`.padEnd(4, 'X').concat('HKHHXXX')), ...pays]], at === 2 ? HOUR : 1000);
  }
  const first = (table: Table): string => `${table}/${toHex(new Uint8Array(8).with(7, height))}`;
  for (const table of ['blocks', 'receipts'] as const) disk.entries.delete(first(table));
  await store.write([putCount(VOTE_KEY, 7)], { sync: true });
  now = ledger.header.time;
  return { ledger, disk, store };
}

async function archiveOf(store: Store): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of archivePieces(store, MADE, PACE)) pieces.push(piece);
  return concat(...pieces);
}

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (from, length) =>
    Promise.resolve(bytes.slice(from, from + length));

async function opened(bytes: Uint8Array): Promise<Archive> {
  const result = await openArchive(readerOf(bytes));
  assert(result.ok, 'the archive is whole');
  return result.archive;
}

const auditOf = (records: Records): Promise<Audit> =>
  audit(records, { genesis, verifier, hasher: hashPairs, vouched: [], now });

/** As `causeway node restore` does it. */
async function restoredTo(store: Store, into: Pick<Store, 'get' | 'write'>, keys: readonly Hash[]): Promise<void> {
  const archive = await opened(await archiveOf(store));
  await restoreRecords(archive, into, { audit: await auditOf(archive), keys, hasher: hashPairs });
}

t.test('a folder and its backup hold together, and say the same', async (t) => {
  const { ledger, store } = await grown();
  const told = await auditOf(recordsOf(store));
  t.match(told, { found: 0, findings: [], blocks: 5, final: { height: ledger.header.height, root: ledger.root } });
  t.ok(told.accounts > 2);
  const archive = await opened(await archiveOf(store));
  t.match(archive.header, { ...MADE, network: NETWORK, height: ledger.header.height, time: ledger.header.time });
  t.same(await auditOf(archive), told);
});

t.test('any byte of a backup that changed is found, and so is any end that is missing', async (t) => {
  const { store } = await grown();
  const whole = await archiveOf(store);
  const codes = new Map<string, number>();
  for (let at = 0; at < whole.length; at += at < 600 || at > whole.length - 200 ? 1 : 61) {
    const changed = whole.with(at, (whole[at] as number) ^ 0x40);
    for (const [what, bytes] of [
      ['changed', changed],
      ['cut', whole.subarray(0, at)],
    ] as const) {
      const result = await openArchive(readerOf(bytes));
      if (result.ok) t.fail(`${what} at byte ${at} of ${whole.length}`);
      const code = `${what}: ${result.ok ? 'whole' : result.code}`;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  for (const code of [
    'changed: archive_damaged',
    'changed: not_a_backup',
    'changed: newer_format',
    'cut: archive_truncated',
  ])
    t.ok((codes.get(code) ?? 0) > 0, code);
  t.match(await openArchive(readerOf(concat(whole, Uint8Array.of(0)))), { code: 'archive_damaged' }, 'a byte too many');
  t.match(await openArchive(readerOf(new Uint8Array(0))), { code: 'not_a_backup' });
});

t.test('any record that the disk changed is found, in its table', async (t) => {
  const { disk, store } = await grown();
  let damaged = 0;
  for (const [name, value] of [...disk.entries]) {
    const at = value.length >> 1;
    disk.entries.set(name, value.with(at, (value[at] as number) ^ 1));
    const told = await auditOf(recordsOf(store));
    disk.entries.set(name, value);
    damaged += 1;
    const [first] = told.findings;
    const [table, key] = name.split('/');
    if (first?.code !== 'record_damaged' || first.table !== table || first.where !== `key ${key}`)
      t.fail(`${name}: ${JSON.stringify(told.findings)}`);
  }
  t.ok(damaged > 50, `${damaged} records`);
  t.match(await auditOf(recordsOf(store)), { found: 0 });
});

/** What somebody might write in place of what was certified, with checksums that hold. */
const FORGERIES: readonly (readonly [
  says: string,
  code: string,
  forge: (store: Store, ledger: Ledger) => Operation[],
])[] = [
  ['a balance with a unit more', 'not_conserved', () => [forgedBalance()]],
  ['a balance with a unit more', 'state_differs', () => [forgedBalance()]],
  ['a block that is gone', 'record_missing', (_, { header }) => [gone('blocks', header.height - 1)]],
  ['receipts that are gone', 'record_missing', (_, { header }) => [gone('receipts', header.height - 1)]],
  ['the last block', 'record_missing', (_, { header }) => [gone('blocks', header.height)]],
  [
    'receipts of another block',
    'receipts_differ',
    (store, { header }) => [
      {
        type: 'put',
        table: 'receipts',
        key: heightKey(header.height),
        value: store.get('receipts', heightKey(header.height - 1)) as Uint8Array,
      },
    ],
  ],
  ['a certificate by too few', 'bad_certificate', (store, ledger) => [recertified(store, ledger, [0, 1])]],
  ['no certificate at the end', 'not_certified', (store, ledger) => [recertified(store, ledger, null)]],
  [
    'another root in the last block',
    'wrong_root',
    (store, { header }) => [putBlock({ ...blockAt(store, header.height), root: ledgerRoot(store, header.height - 1) })],
  ],
  [
    'a pointer to the block before',
    'state_differs',
    (store, ledger) => [
      putFinal({
        ...ledger.pointer(),
        height: (ledger.header.height - 1) as never,
        block: ledger.header.parent,
        root: ledgerRoot(store, ledger.header.height - 1),
      }),
    ],
  ],
  [
    'another network',
    'other_network',
    (_, ledger) => [putFinal({ ...ledger.pointer(), network: 'cd'.repeat(32) as never })],
  ],
  ['ids that are gone', 'ids_differ', () => [lastList()]],
  [
    'a pointer of another view',
    'chain_broken',
    (_, ledger) => [putFinal({ ...ledger.pointer(), view: 9_999 as View })],
  ],
  ['an incarnation after which there is none', 'record_malformed', () => [putIncarnation(0xffff_ffff)]],
  ['a survey of an epoch to come', 'record_malformed', () => [putSurveyed(7 as Epoch)]],
  ['a floor above the last block', 'record_malformed', (_, { header }) => [putFloor(header.height + 1)]],
  ['a floor that is no number', 'record_malformed', () => [metaRecord('floor', Uint8Array.of(1))]],
  ['a pointer that is cut short', 'record_malformed', () => [metaRecord('final', Uint8Array.of(DATA_FORMAT, 1, 2))]],
  [
    'no hand-over',
    'record_malformed',
    () => [
      { type: 'put', table: 'meta', key: new Writer(16).text('handOver').u64(1).finish(), value: Uint8Array.of(9) },
    ],
  ],
  [
    'a record that nobody writes',
    'record_malformed',
    () => [{ type: 'put', table: 'meta', key: Uint8Array.of(1), value: Uint8Array.of(9) }],
  ],
  [
    'history that leads to no certificate, before a gap',
    'not_certified',
    (store, { header: { height } }) => [
      putBlock({ ...blockAt(store, height - 3), certificate: null }),
      gone('blocks', height - 2),
      gone('receipts', height - 2),
    ],
  ],
  [
    'another outcome of an id',
    'ids_differ',
    () => [{ type: 'put', table: 'ids', ...remembered(), value: Uint8Array.of(1) }],
  ],
  [
    'an id that was never used',
    'ids_differ',
    () => [{ type: 'put', table: 'ids', ...remembered(), key: new Uint8Array(28).fill(1) }],
  ],
  ['an id that is forgotten', 'record_missing', () => [{ type: 'delete', table: 'ids', key: remembered().key }]],
  [
    'the place of another receipt',
    'receipts_differ',
    (store, { header: { height, time } }) => {
      const [, other] = unpackReceipts(store.get('receipts', heightKey(height)) as Uint8Array) ?? [];
      return [putPlace(other?.digest as InstructionDigest, { type: 'receipt', height, time, position: 0 })];
    },
  ],
  ['a batch that its author did not sign', 'record_malformed', () => [forgedBatch(0xffff_ffff)]],
  [
    'an instruction in the outbox under the key of another',
    'record_malformed',
    (_, { book }) => {
      const { instruction } = book.pay(HKMA, BETA, '1.00');
      return [putOutbox('ef'.repeat(32) as InstructionDigest, itemOf(instruction))];
    },
  ],
  [
    'receipts of the genesis block',
    'record_malformed',
    (store, { header }) => [receiptsUnder(store, header.height, 0)],
  ],
  [
    'receipts of no height',
    'record_malformed',
    (store, { header }) => [{ ...receiptsUnder(store, header.height, 0), key: new Uint8Array(3) }],
  ],
  [
    'an instruction of another century in the outbox',
    'record_malformed',
    (_, { book }) => {
      const { instruction } = book.pay(HKMA, BETA, '1.00');
      const text = fromUtf8(instruction.payloadBytes).replaceAll(/"(issued|expires)":"20/g, '"$1":"21');
      const payloadBytes = utf8(text);
      return [putOutbox(instructionDigest(payloadBytes), itemOf({ ...instruction, payloadBytes }))];
    },
  ],
  [
    'a hand-over to the epoch that the genesis file begins',
    'record_malformed',
    (store, { header: { height } }) => {
      const { certificate, parentRoot, receiptsRoot, stateRoot } = blockAt(store, height);
      assert(certificate !== null && certificate.ballot.block !== null, 'it is certified');
      const opening = { parentResultRoot: parentRoot, receiptsRoot, stateRoot };
      const { block } = certificate.ballot;
      const finalization = certificate as Finalization;
      return [putHandOver({ kind: 'change', set: SET, block, finalization, opening, siblings: [], statements: [] })];
    },
  ],
  [
    'no instruction in the outbox',
    'record_malformed',
    () => [putOutbox('ef'.repeat(32) as never, Uint8Array.of(1, 2, 3))],
  ],
];

/** As it travels, with a signature that nobody need check. */
function itemOf({ payloadBytes }: Instruction): Uint8Array {
  const header = { alg: 'Ed25519', kid: 'A'.repeat(43) as Thumbprint, typ: 'causeway+json' } as const;
  const signature = { header, protectedText: protectedTextOf(header), signature: new Uint8Array(64), list: null };
  return encodeItem({ payloadBytes, signatures: [signature as unknown as SignatureEntry] });
}

const heightKey = (height: number): Uint8Array => new Uint8Array(8).with(7, height);
const gone = (table: Table, height: number): Operation => ({ type: 'delete', table, key: heightKey(height) });
function blockAt(store: Store, height: number) {
  const record = getBlock(store, height);
  assert(record !== null, 'the block is there');
  return record;
}
const receiptsUnder = (store: Store, from: number, height: number): Operation => ({
  type: 'put',
  table: 'receipts',
  key: heightKey(height),
  value: store.get('receipts', heightKey(from)) as Uint8Array,
});
const ledgerRoot = (store: Store, height: number) => blockAt(store, height).root;

function recertified(store: Store, { header }: Ledger, signers: readonly number[] | null): Operation {
  const record = blockAt(store, header.height);
  assert(record.certificate !== null, 'it is certified');
  return putBlock({ ...record, certificate: signers === null ? null : certify(record.certificate.ballot, signers) });
}

let entries: [Uint8Array, Uint8Array][] = [];
function forgedBalance(): Operation {
  const [key, value] = entries.find(([each]) => nameOfKey(each)?.table === 'accounts') as [Uint8Array, Uint8Array];
  const account = decodeEntry('accounts', nameOfKey(key)?.name ?? '', value);
  return {
    type: 'put',
    table: 'state',
    key,
    value: encodeEntry('accounts', { ...account, balance: account.balance + 1n }),
  };
}
let lists: Uint8Array[] = [];
let ids: [Uint8Array, Uint8Array][] = [];
const remembered = () => {
  const [key, value] = ids.at(-1) as [Uint8Array, Uint8Array];
  return { key, value };
};
const metaRecord = (name: 'floor' | 'final', value: Uint8Array): Operation => ({
  type: 'put',
  table: 'meta',
  key: metaKey(name),
  value,
});
function forgedBatch(incarnation: number): Operation {
  const previous = ZERO_HASH as BatchDigest;
  const batch: Batch = { author: 0 as ValidatorIndex, epoch: 0 as Epoch, incarnation, number: 1, previous, items: [] };
  const bytes = encodeBatch(batch);
  return putBatch({ batch, bytes, digest: batchDigest(bytes), signature: new Uint8Array(64) });
}
const lastList = (): Operation => ({ type: 'delete', table: 'ids', key: lists.at(-1) as Uint8Array });

t.test('what is sound by its checksum and is not what was certified is found', async (t) => {
  for (const [says, code, forge] of FORGERIES) {
    const { ledger, store } = await grown();
    entries = [];
    lists = [];
    for await (const entry of store.scan('state', EVERYTHING)) entries.push(entry);
    ids = [];
    for await (const [key, value] of store.scan('ids', EVERYTHING)) {
      if (key[0] === 0) lists.push(key);
      else ids.push([key, value]);
    }
    await store.write(forge(store, ledger), { sync: true });
    const told = await auditOf(recordsOf(store));
    t.ok(
      told.findings.some((finding) => finding.code === code),
      `${says}: ${code}`,
      { found: told.findings },
    );
  }
});

t.test('what is restored is what was backed up, but for what keys have signed', async (t) => {
  const { ledger, disk, store } = await grown();
  await store.write([{ type: 'put', table: 'votes', key: Uint8Array.of(1), value: Uint8Array.of(2) }], { sync: true });
  const copy = new MemoryStore();
  await restoredTo(store, checked(copy), []);
  t.equal(copy.table('votes').size, 0, 'no vote log');
  for (const table of ['blocks', 'receipts', 'state', 'ids', 'outbox'] as const)
    t.same(copy.table(table), disk.table(table), table);
  t.match(copy.table('index'), disk.table('index'), 'and what is remembered of receipts that are not here');
  const restored = checked(copy);
  t.same(getRestored(restored), { epoch: 0, height: ledger.header.height });
  t.equal(getFloor(restored), 1 + ledger.header.height - 5, 'from the lowest block on');
  t.same(getFinal(restored), ledger.pointer());
  t.equal(getCount(restored, VOTE_KEY), 0);
});

t.test('a backup that changes after it was found whole is not gone on with', async (t) => {
  const { store } = await grown();
  const bytes = await archiveOf(store);
  const archive = await opened(bytes);
  const audit = await auditOf(archive);
  // The last frame of records, behind which only the end stands.
  bytes[bytes.length - 120] = (bytes[bytes.length - 120] as number) ^ 1;
  const copy = checked(new MemoryStore());
  await t.rejects(restoreRecords(archive, copy, { audit, keys: [], hasher: hashPairs }), /is not what was written/);
  t.equal(getFinal(copy), null, 'and what was written of it is no ledger');
});

t.test('of ids only what the state names is believed, and no hand-over past the last block', async (t) => {
  const { ledger, disk, store } = await grown();
  const honest = new Map(disk.table('ids'));
  for (const key of [...disk.entries.keys()].filter((each) => each.startsWith('ids/') && !each.startsWith('ids/00')))
    disk.entries.delete(key);
  const key = new Writer(16)
    .text('handOver')
    .u64(ledger.header.epoch + 1)
    .finish();
  await store.write([{ type: 'put', table: 'meta', key, value: Uint8Array.of(1) }], { sync: true });
  const copy = new MemoryStore();
  await restoredTo(store, checked(copy), []);
  t.ok(honest.size > 0);
  t.same(copy.table('ids'), honest, 'what is remembered is written anew from the lists');
  t.notOk(checked(copy).get('meta', key), 'an epoch that nothing proves does not begin');
});

t.test('what became of an instruction is not believed of a backup, but made anew', async (t) => {
  const { ledger, disk, store } = await grown();
  const { height, time } = ledger.header;
  const [known] = unpackReceipts(store.get('receipts', heightKey(height)) as Uint8Array) ?? [];
  assert(known !== undefined, 'it has a receipt');
  const honest = getPlace(store, known.digest);
  const unknown = 'cd'.repeat(32) as InstructionDigest;
  const lies: readonly Place[] = [
    { type: 'taken', height, time },
    { type: 'dropped', expires: time },
    { type: 'receipt', height: 9_999_999, time, position: 0 },
    { type: 'remembered', code: 'lapsed', height, time },
  ];
  for (const lie of lies) {
    await store.write([putPlace(known.digest, lie), putPlace(unknown, lie)], { sync: true });
    const copy = new MemoryStore();
    await restoredTo(store, checked(copy), []);
    t.same(getPlace(checked(copy), known.digest), honest, `${lie.type}: its receipt is here`);
    t.same(getPlace(checked(copy), unknown), { type: 'before', height, time }, `${lie.type}: nothing here tells`);
  }
  for (const key of [...disk.entries.keys()]) if (key.startsWith('index/')) disk.entries.delete(key);
  const copy = new MemoryStore();
  await restoredTo(store, checked(copy), []);
  t.same(getPlace(checked(copy), known.digest), honest, 'an entry that is missing comes back');
});

t.test('a key that may have signed does not sign over a restored folder', async (t) => {
  const { store } = await grown();
  const unknown = '6b'.repeat(32) as Hash;
  const [{ voteKey: ofTheSet }] = SET.validators as [Validator];
  const restored = checked(new MemoryStore());
  await restoredTo(store, restored, [unknown]);
  const markOf = async (count: number, key: Hash) => {
    const mark = checked(new MemoryStore());
    const folder = checked(new MemoryStore());
    const written = new Mark(key, folder, mark);
    for (let at = 0; at < count; at++) written.next();
    await written.advance();
    return mark;
  };
  for (const key of [VOTE_KEY, unknown, ofTheSet]) {
    t.equal(new Mark(key, restored, checked(new MemoryStore())).unfit, 'vote_mark_missing', 'the mark is lost too');
    t.equal(
      new Mark(key, restored, await markOf(3, key)).unfit,
      'vote_log_rolled_back',
      'fewer than the backup counts',
    );
    t.equal(new Mark(key, restored, await markOf(7, key)).unfit, 'vote_log_rolled_back', 'as many');
    t.equal(new Mark(key, restored, await markOf(0, key)).unfit, null, 'it has never signed');
    t.ok(new Mark(key, restored, checked(new MemoryStore())).isFolderOld, 'a lane goes on under a later incarnation');
  }
  t.equal(new Mark('7c'.repeat(32) as Hash, restored, checked(new MemoryStore())).unfit, null, 'a new key signs');
});

/** A backup of these records, with hashes that hold: whoever forges one has them, too. */
function sealed(header: Uint8Array, tables: ReadonlyMap<string, readonly (readonly [Uint8Array, Uint8Array])[]>) {
  const frames = [header];
  let records = 0;
  for (const [table, entries] of tables) {
    records += entries.length;
    const sorted = [...entries].sort(([a], [b]) => Buffer.compare(a, b));
    frames.push(
      new Writer()
        .u8(1)
        .text(table)
        .list(sorted, (writer, [key, value]) => writer.bytes(key).bytes(value))
        .finish(),
    );
  }
  return chained([...frames, new Writer().u8(2).u64(records).finish()]);
}

function chained(frames: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [new TextEncoder().encode('causeway-backup\n'), Uint8Array.of(0, 0, 0, 1)];
  let link = ZERO_HASH;
  for (const frame of frames) {
    link = hashOf(concat(fromHex(link), frame));
    parts.push(new Writer(frame.length + 64).bytes(frame).hash(link).finish());
  }
  return concat(...parts);
}

function framesOf(bytes: Uint8Array): Uint8Array[] {
  const reader = new Reader(bytes.subarray(20));
  const frames: Uint8Array[] = [];
  for (let at = 20; at < bytes.length; at += 36 + (frames.at(-1)?.length ?? 0)) {
    frames.push(reader.bytes(bytes.length));
    reader.hash();
  }
  return frames;
}

/** A ledger with something in every table: an instruction in the outbox, and a batch that no block has ordered. */
async function full(): Promise<{ ledger: Ledger; store: Store }> {
  const { ledger, store } = await grown();
  const { instruction } = ledger.book.pay(HKMA, BETA, '2.00');
  const item = itemOf(instruction);
  const lane = { author: 0 as ValidatorIndex, epoch: 0 as Epoch, incarnation: 0, number: 1 };
  const batch: Batch = { ...lane, previous: ZERO_HASH as BatchDigest, items: [item] };
  const bytes = encodeBatch(batch);
  const signature = cheap(fromHex(SET.validators[0]?.networkKey ?? ZERO_HASH), bytes);
  const signed = putBatch({ batch, bytes, digest: batchDigest(bytes), signature });
  const dropped = putPlace('cd'.repeat(32) as InstructionDigest, { type: 'dropped', expires: 1 as TimestampMs });
  const more = [putOutbox(instruction.digest, item), signed, putIncarnation(3), putSurveyed(0 as Epoch), dropped];
  await store.write(more, { sync: true });
  return { ledger, store };
}

interface Forgery {
  readonly what: 'flip value' | 'flip key' | 'cut' | 'drop' | 'replace' | 'add';
  readonly record: number;
  readonly at: number;
  readonly bit: number;
}
const forgery: fc.Arbitrary<Forgery> = fc.record({
  what: fc.constantFrom('flip value', 'flip key', 'cut', 'drop', 'replace', 'add'),
  record: fc.nat(1_000_000),
  at: fc.nat(1_000_000),
  bit: fc.nat(7),
});

const flipped = (bytes: Uint8Array, at: number, bit: number): Uint8Array =>
  bytes.length === 0
    ? bytes
    : Uint8Array.from(bytes, (byte, place) => (place === at % bytes.length ? byte ^ (1 << bit) : byte));

function forged(all: [string, Uint8Array, Uint8Array][], { what, record, at, bit }: Forgery): void {
  const place = record % all.length;
  const [table, key, value] = all[place] as [string, Uint8Array, Uint8Array];
  const [, , other] = all[at % all.length] as [string, Uint8Array, Uint8Array];
  if (what === 'drop') all.splice(place, 1);
  else if (what === 'add') all.push([table, flipped(key, at, bit), value]);
  else if (what === 'flip key') all[place] = [table, flipped(key, at, bit), value];
  else if (what === 'flip value') all[place] = [table, key, flipped(value, at, bit)];
  else if (what === 'cut') all[place] = [table, key, value.subarray(0, at % (value.length + 1))];
  else all[place] = [table, key, other];
}

/** Restores bytes as the command does: null when they are refused, with a code or a finding. */
async function restoredOf(bytes: Uint8Array): Promise<MemoryStore | null> {
  const opened = await openArchive(readerOf(bytes));
  if (!opened.ok) return null;
  const told = await auditOf(opened.archive);
  if (told.found > 0) return null;
  const copy = new MemoryStore();
  await restoreRecords(opened.archive, checked(copy), { audit: told, keys: [], hasher: hashPairs });
  const recovery = await recover(checked(copy), new TestClock(), genesis, hashPairs);
  assert(recovery.ok, 'a node starts on it');
  return copy;
}

t.test('a forged backup is refused, or what is restored of it is what was certified', async (t) => {
  const { store } = await full();
  const honest = framesOf(await archiveOf(store));
  const whole = await restoredOf(chained(honest));
  assert(whole !== null, 'the honest one is restored');
  const all: [string, Uint8Array, Uint8Array][] = [];
  for (const table of ARCHIVE_TABLES)
    for await (const [key, value] of store.scan(table, EVERYTHING)) all.push([table, key, value]);
  let [refused, taken] = [0, 0];
  const judge = async (bytes: Uint8Array): Promise<void> => {
    const copy = await restoredOf(bytes);
    if (copy === null) {
      refused += 1;
      return;
    }
    taken += 1;
    for (const table of ['state', 'ids'] as const) t.same(copy.table(table), whole.table(table), table);
    t.same(getFinal(checked(copy)), getFinal(checked(whole)));
    // What is missing nothing names; what is there was there.
    for (const table of ['blocks', 'receipts', 'batches', 'outbox'] as const)
      for (const [key, value] of copy.table(table)) t.same(value, whole.table(table).get(key), `${table} ${key}`);
    for (const [key, value] of copy.table('index')) {
      const { type } = getPlace(checked(copy), key as InstructionDigest) ?? {};
      if (type === 'receipt') t.same(value, whole.table('index').get(key), `index ${key}`);
      else t.ok(type === 'before' || type === 'remembered', `index ${key}: ${type}`);
    }
  };
  const records = fc.asyncProperty(fc.array(forgery, { minLength: 1, maxLength: 3 }), async (forgeries) => {
    const changed = [...all];
    for (const each of forgeries) forged(changed, each);
    const tables = new Map<string, (readonly [Uint8Array, Uint8Array])[]>();
    for (const table of ARCHIVE_TABLES) {
      const entries = changed.flatMap(([name, key, value]) => (name === table ? [[key, value] as const] : []));
      if (entries.length > 0) tables.set(table, entries);
    }
    await judge(sealed(honest[0] as Uint8Array, tables));
  });
  await fc.assert(records, { numRuns: 250 });
  const frames = fc.asyncProperty(forgery, async ({ what, record, at, bit }) => {
    const place = record % honest.length;
    const frame = honest[place] as Uint8Array;
    const other = honest[at % honest.length] as Uint8Array;
    const made = { cut: frame.subarray(0, at % frame.length), replace: other, add: new Uint8Array(0) };
    const changed = what === 'drop' ? [] : [made[what as keyof typeof made] ?? flipped(frame, at, bit)];
    await judge(chained(honest.toSpliced(place, 1, ...changed)));
  });
  await fc.assert(frames, { numRuns: 250 });
  t.ok(refused > 250 && taken > 10, `${refused} refused, ${taken} taken`);
});

t.test('frames that are empty, or no fuller than need be, are refused', async (t) => {
  const { store } = await full();
  const frames = framesOf(await archiveOf(store));
  const [header, first] = frames as [Uint8Array, Uint8Array];
  const empty = new Writer().u8(1).text('meta').u32(0).finish();
  const one = (key: number): Uint8Array =>
    new Writer().u8(1).text('index').u32(1).bytes(new Uint8Array(32).fill(key)).bytes(new Uint8Array(4)).finish();
  const end = new Writer().u8(2).u64(2).finish();
  for (const bad of [
    [empty, first],
    [one(1), one(2), end],
    [one(2), one(2), end],
  ])
    t.match(await openArchive(readerOf(chained([header, ...bad]))), { code: 'archive_damaged' });
  t.match(await openArchive(readerOf(chained([header, one(1), new Writer().u8(2).u64(1).finish()]))), { ok: true });
});

t.test('nothing is backed up that is not there, or is on its way', async (t) => {
  const { store } = await grown();
  t.equal(notNow(store), null);
  t.equal(notNow(checked(new MemoryStore())), 'no_ledger');
  const { store: behind, ledger } = await grown();
  const last = blockAt(behind, ledger.header.height);
  const before = { ...ledger.pointer(), height: (ledger.header.height - 1) as Height };
  await behind.write([putFinal(before), putBlock(last)], { sync: true });
  t.equal(notNow(behind), 'installing', 'while a state is fetched again the pointer is behind the blocks');
  await store.write([{ type: 'put', table: 'snapshot', key: Uint8Array.of(3), value: new Uint8Array(0) }], {
    sync: true,
  });
  t.equal(notNow(store), 'installing');
});
