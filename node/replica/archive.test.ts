import t from 'tap';
import { decodeEntry, encodeEntry, nameOfKey } from '../../ledger/codecs.js';
import { ALFA, BETA, HKMA, HOUR } from '../../ledger/samples.test-helper.js';
import { toHex, Writer } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import { concat, hashPairs } from '../../protocol/hash.js';
import { assert, type Hash, type TimestampMs } from '../../protocol/types.js';
import type { Operation, Store, Table } from '../ports.js';
import { type Archive, archivePieces, notNow, openArchive, type ReadAt } from './archive.js';
import { type Audit, audit } from './audit.js';
import { checked, EVERYTHING, soundEntries } from './checked.js';
import type { Records } from './findings.js';
import { certify, Ledger, NETWORK, SET, verifier } from './ledgerstore.test-helper.js';
import { Mark } from './mark.js';
import { MemoryStore } from './memorystore.test-helper.js';
import { getBlock, getCount, getFinal, putBlock, putCount, putFinal, putOutbox } from './records.js';
import { restoreRecords } from './restoring.js';

const VOTE_KEY = '5a'.repeat(32) as Hash;
const MADE = { party: 'HKMAHKHHXXX', version: '0.1.0', madeMs: 1_700_000_000_000 as TimestampMs };
const genesis = {
  network: NETWORK,
  validators: SET,
  authorities: [],
  created: 0 as TimestampMs,
} as unknown as Genesis;

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
  return { ledger, disk, store };
}

async function archiveOf(store: Store): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of archivePieces(store, MADE, () => Promise.resolve())) pieces.push(piece);
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

const recordsOf = (store: Store): Records => ({
  scan: (table, onDamage) => soundEntries(store, table, EVERYTHING, onDamage),
});
const auditOf = (records: Records): Promise<Audit> =>
  audit(records, { genesis, verifier, hasher: hashPairs, vouched: [] });

/** As `causeway node restore` does it. */
async function restoredTo(store: Store, into: Pick<Store, 'write'>, keys: readonly Hash[]): Promise<void> {
  const archive = await opened(await archiveOf(store));
  await restoreRecords(archive, into, keys, (await auditOf(archive)).hours);
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
    'no instruction in the outbox',
    'record_malformed',
    () => [putOutbox('ef'.repeat(32) as never, Uint8Array.of(1, 2, 3))],
  ],
];

const heightKey = (height: number): Uint8Array => new Uint8Array(8).with(7, height);
const gone = (table: Table, height: number): Operation => ({ type: 'delete', table, key: heightKey(height) });
function blockAt(store: Store, height: number) {
  const record = getBlock(store, height);
  assert(record !== null, 'the block is there');
  return record;
}
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
const lastList = (): Operation => ({ type: 'delete', table: 'ids', key: lists.at(-1) as Uint8Array });

t.test('what is sound by its checksum and is not what was certified is found', async (t) => {
  for (const [says, code, forge] of FORGERIES) {
    const { ledger, store } = await grown();
    entries = [];
    lists = [];
    for await (const entry of store.scan('state', EVERYTHING)) entries.push(entry);
    for await (const [key] of store.scan('ids', EVERYTHING)) if (key[0] === 0) lists.push(key);
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
  for (const table of ['blocks', 'receipts', 'state', 'ids', 'index', 'outbox'] as const)
    t.same(copy.table(table), disk.table(table), table);
  const restored = checked(copy);
  t.same(getFinal(restored), ledger.pointer());
  t.equal(getCount(restored, VOTE_KEY), 0);
});

t.test('a backup that changes after it was found whole is not gone on with', async (t) => {
  const { store } = await grown();
  const bytes = await archiveOf(store);
  const archive = await opened(bytes);
  const { hours } = await auditOf(archive);
  // The last frame of records, behind which only the end stands.
  bytes[bytes.length - 120] = (bytes[bytes.length - 120] as number) ^ 1;
  const copy = checked(new MemoryStore());
  await t.rejects(restoreRecords(archive, copy, [], hours), /is not what was written/);
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

t.test('a key that may have signed does not sign over a restored folder', async (t) => {
  const { store } = await grown();
  const unknown = '6b'.repeat(32) as Hash;
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
  for (const key of [VOTE_KEY, unknown]) {
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

t.test('nothing is backed up that is not there, or is on its way', async (t) => {
  const { store } = await grown();
  t.equal(notNow(store), null);
  t.equal(notNow(checked(new MemoryStore())), 'no_ledger');
  await store.write([{ type: 'put', table: 'snapshot', key: Uint8Array.of(3), value: new Uint8Array(0) }], {
    sync: true,
  });
  t.equal(notNow(store), 'installing');
});
