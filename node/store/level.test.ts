import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { Operation, Store, Table } from '../ports.js';
import { EVERYTHING } from '../replica/checked.js';
import { openStore, StoreError } from './level.js';

const TABLES: Table[] = [
  'meta',
  'votes',
  'batches',
  'blocks',
  'receipts',
  'state',
  'ids',
  'index',
  'snapshot',
  'outbox',
];

const bytesOf = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const put = (table: Table, key: Uint8Array, value: Uint8Array): Operation => ({ type: 'put', table, key, value });

async function entries(
  store: Store,
  table: Table,
  range: Parameters<Store['scan']>[1] = EVERYTHING,
): Promise<[string, string][]> {
  const all: [string, string][] = [];
  for await (const [key, value] of store.scan(table, range)) {
    all.push([Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex')]);
  }
  return all;
}

async function fresh(t: Test): Promise<{ store: Store; folder: string }> {
  const folder = join(t.testdir(), 'data');
  const store = await openStore(folder);
  t.teardown(() => store.close());
  return { store, folder };
}

const logOf = (folder: string): string =>
  join(folder, readdirSync(folder).find((file) => file.endsWith('.log')) ?? 'no log');

t.test('tables are apart; keys compare as bytes; a scan has from and not to', async (t) => {
  const { store } = await fresh(t);
  const keys = [[], [0], [0, 0], [0, 255], [1], [127], [128], [255], [255, 255]].map((key) => bytesOf(...key));
  for (const [place, table] of TABLES.entries()) {
    const operations = keys.map((key, each) => put(table, key, bytesOf(place, each)));
    await store.write(operations.toReversed(), { sync: false });
  }
  const values = (place: number, from: number, to: number): string[] =>
    keys.slice(from, to).map((_, each) => Buffer.of(place, from + each).toString('hex'));
  for (const [place, table] of TABLES.entries()) {
    t.same(store.get(table, bytesOf(0, 255)), bytesOf(place, 3));
    t.equal(store.get(table, bytesOf(2)), undefined);
    const rows: { name: string; range: Parameters<Store['scan']>[1]; want: string[] }[] = [
      { name: 'all', range: EVERYTHING, want: values(place, 0, 9) },
      { name: 'a part', range: { from: bytesOf(0, 0), to: bytesOf(128) }, want: values(place, 2, 6) },
      { name: 'the first two', range: { ...EVERYTHING, limit: 2 }, want: values(place, 0, 2) },
      {
        name: 'the last two, descending',
        range: { ...EVERYTHING, limit: 2, reverse: true },
        want: values(place, 7, 9).toReversed(),
      },
      { name: 'nothing', range: { from: bytesOf(2), to: bytesOf(2) }, want: [] },
    ];
    for (const { name, range, want } of rows) {
      const got = await entries(store, table, range);
      t.same(
        got.map(([, value]) => value),
        want,
        `${table}: ${name}`,
      );
    }
  }
  const value = store.get('meta', bytesOf(0));
  t.equal(value?.constructor, Uint8Array, 'no Buffer comes out: its slice shares memory');
});

t.test('a view is of one moment, whatever is written later', async (t) => {
  const { store } = await fresh(t);
  const [one, two] = [bytesOf(1), bytesOf(2)];
  await store.write([put('state', one, bytesOf(1)), put('ids', one, bytesOf(9))], { sync: false });
  const view = store.snapshot();
  await store.write([put('state', one, bytesOf(3)), put('state', two, bytesOf(3))], { sync: false });
  t.same([view.get('state', one), view.get('state', two), view.get('ids', one)], [bytesOf(1), undefined, bytesOf(9)]);
  const seen: Uint8Array[][] = [];
  for await (const entry of view.scan('state', EVERYTHING)) seen.push(entry);
  t.same(seen, [[one, bytesOf(1)]]);
  t.same(store.get('state', one), bytesOf(3));
  await view.close();
});

t.test('writes apply in the order of calls, and a store reads as a map would', async (t) => {
  const { store } = await fresh(t);
  const operation = fc.record({ key: fc.nat(5), value: fc.option(fc.nat(255)), sync: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(operation, { maxLength: 4 }), { maxLength: 12 }), async (calls) => {
      const model = new Map<number, number>();
      await Promise.all(
        calls.map((operations) => {
          for (const { key, value } of operations) {
            if (value === null) model.delete(key);
            else model.set(key, value);
          }
          return store.write(
            operations.map(({ key, value }) =>
              value === null
                ? { type: 'delete', table: 'state', key: bytesOf(key) }
                : put('state', bytesOf(key), bytesOf(value)),
            ),
            { sync: operations.some(({ sync }) => sync) },
          );
        }),
      );
      const want = [...model]
        .sort(([a], [b]) => a - b)
        .map(([key, value]) => [key, value].map((byte) => Buffer.of(byte).toString('hex')));
      const got = await entries(store, 'state');
      if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}`);
      await store.write(
        [0, 1, 2, 3, 4, 5].map((key) => ({ type: 'delete', table: 'state', key: bytesOf(key) })),
        { sync: false },
      );
    }),
    { numRuns: 100 },
  );
  t.pass('for any calls');
});

t.test('a scan reads a snapshot, in pieces, and may be left early', async (t) => {
  const { store } = await fresh(t);
  const key = (number: number): Uint8Array => bytesOf(number >> 8, number & 255);
  const operations = Array.from({ length: 3_000 }, (_, number) => put('blocks', key(number), new Uint8Array(300)));
  await store.write(operations, { sync: false });
  let seen = 0;
  for await (const [scanned] of store.scan('blocks', EVERYTHING)) {
    if (seen === 0) await store.write([{ type: 'delete', table: 'blocks', key: key(2_999) }], { sync: false });
    t.equal(Buffer.compare(scanned, key(seen)), 0);
    seen += 1;
  }
  t.equal(seen, 3_000);
  for await (const [first] of store.scan('blocks', EVERYTHING)) {
    t.same(first, key(0));
    break;
  }
  t.equal((await entries(store, 'blocks')).length, 2_999);
});

t.test('what was written is there when opened again, and one process has it at a time', async (t) => {
  const { store, folder } = await fresh(t);
  await store.write([put('votes', bytesOf(1), bytesOf(2))], { sync: true });
  await t.rejects(openStore(folder), { name: 'StoreError', code: 'store_locked', message: /Another process/ });
  const last = store.write([put('votes', bytesOf(3), bytesOf(4))], { sync: false });
  await store.close();
  await last;
  await t.rejects(store.write([put('votes', bytesOf(5), bytesOf(6))], { sync: true }), { code: 'store_failed' });
  t.throws(() => store.get('votes', bytesOf(1)), StoreError);
  const again = await openStore(folder);
  t.same(await entries(again, 'votes'), [
    ['01', '02'],
    ['03', '04'],
  ]);
  await again.close();
});

t.test('a write that was torn by a crash is there whole or not at all, wherever it was cut', async (t) => {
  const { store, folder } = await fresh(t);
  const logBytes = (): number => readFileSync(logOf(folder)).length;
  const rows = (from: number) =>
    [1, 2, 3].map((key) => put('votes', bytesOf(from + key), new Uint8Array(40).fill(key)));
  await store.write(rows(0), { sync: true });
  const before = logBytes();
  await store.write(rows(10), { sync: true });
  const after = logBytes();
  t.ok(after > before + 100, 'all of the last write lies at the end of the log');
  for (let cut = before; cut <= after; cut += cut + 13 > after && cut < after ? after - cut : 13) {
    const torn = `${folder}-${cut}`;
    t.teardown(() => rmSync(torn, { recursive: true, force: true }));
    // As the crash left it: the lock is of the process that has ended.
    cpSync(folder, torn, { recursive: true });
    truncateSync(logOf(torn), cut);
    const again = await openStore(torn);
    t.same(
      (await entries(again, 'votes')).map(([key]) => key),
      cut === after ? ['01', '02', '03', '0b', '0c', '0d'] : ['01', '02', '03'],
      `cut ${after - cut} bytes before its end`,
    );
    await again.close();
  }
  await store.close();
});

t.test('damage and a bad place are told apart, each with what to do', async (t) => {
  const rows: { name: string; harm: (folder: string) => void; code: string; message: RegExp }[] = [
    {
      name: 'a table file is gone',
      harm: (folder) =>
        readdirSync(folder)
          .filter((file) => file.endsWith('.ldb'))
          .forEach((file) => rmSync(join(folder, file))),
      code: 'store_corrupt',
      message: /damaged.*vote key/,
    },
    {
      name: 'the manifest is not the one named',
      harm: (folder) => writeFileSync(join(folder, 'CURRENT'), 'MANIFEST-999999\n'),
      code: 'store_corrupt',
      message: /damaged/,
    },
    {
      name: 'a file stands where the folder should',
      harm: (folder) => {
        rmSync(folder, { recursive: true });
        writeFileSync(folder, '');
      },
      code: 'store_failed',
      message: /may write to the folder/,
    },
  ];
  for (const [place, { name, harm, code, message }] of rows.entries()) {
    const folder = join(t.testdir(), `data-${place}`);
    // A log is made into a table file when the database is opened again.
    for (let opened = 0; opened < 2; opened += 1) {
      const store = await openStore(folder);
      await store.write([put('state', bytesOf(opened), new Uint8Array(1_000))], { sync: true });
      await store.close();
    }
    harm(folder);
    await t.rejects(openStore(folder), { name: 'StoreError', code, message }, name);
  }
});

t.test('synced writes are timed', async (t) => {
  const observed: string[] = [];
  const store = await openStore(join(t.testdir(), 'data'), { metrics: { observe: (name) => observed.push(name) } });
  await store.write([put('meta', bytesOf(1), bytesOf(1))], { sync: false });
  t.same(observed, []);
  await store.write([put('meta', bytesOf(1), bytesOf(1))], { sync: true });
  t.same(observed, ['store_sync']);
  await store.close();
});

/** Writes batches of twenty entries for ever, several calls at once, and says each when it is durable. */
const WRITER = `
  import { openStore } from ${JSON.stringify(pathToFileURL(inCheckout('dist/node/store/level.js')).href)};
  const store = await openStore(process.argv[1]);
  async function writeOn(lane) {
    for (let number = 0; ; number += 1) {
      const operations = Array.from({ length: 20 }, (_, part) => ({
        type: 'put',
        table: part % 2 === 0 ? 'blocks' : 'receipts',
        key: Uint8Array.of(lane, number >> 16, number >> 8, number, part),
        value: new Uint8Array(500).fill(part),
      }));
      await store.write(operations, { sync: true });
      process.stdout.write('written ' + lane + ' ' + number + '\\n');
    }
  }
  await Promise.all([0, 1, 2, 3].map(writeOn));
`;

t.test('kill -9 while writing: every batch that was confirmed is there, and every batch is whole', async (t) => {
  startPlainly();
  const folder = join(t.testdir(), 'data');
  const confirmed = new Set<string>();
  for (const confirmationsMin of [40, 80]) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITER, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let confirmations = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('written ')) continue;
      confirmed.add(line.slice('written '.length));
      confirmations += 1;
      if (confirmations === confirmationsMin) child.kill('SIGKILL');
    }
    t.same(await exited, [null, 'SIGKILL']);

    const store = await openStore(folder);
    const parts = new Map<string, number>();
    for (const table of ['blocks', 'receipts'] as const) {
      for await (const [key, value] of store.scan(table, EVERYTHING)) {
        const [lane = 0, high = 0, middle = 0, low = 0, part = 0] = key;
        const batch = `${lane} ${(high << 16) | (middle << 8) | low}`;
        if (value.length !== 500 || value.some((byte) => byte !== part)) t.fail(`a value of batch ${batch} is damaged`);
        parts.set(batch, (parts.get(batch) ?? 0) + 1);
      }
    }
    await store.close();
    t.same(
      [...confirmed].filter((batch) => parts.get(batch) !== 20),
      [],
      'confirmed and whole',
    );
    t.same(
      [...parts].filter(([, count]) => count !== 20),
      [],
      'nothing in part',
    );
    t.ok(confirmed.size >= confirmationsMin);
  }
});
