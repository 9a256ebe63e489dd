/**
 * A second, deliberately naive ledger: the rules of ledger/SPEC.md over plain maps, block by block, with everything
 * computed anew each time. Readable before fast; it shares no line with `ledger`, and is compared with it.
 */
import { judgeKey } from '../../protocol/crypto.js';
import type { Genesis } from '../../protocol/genesis.js';
import { decodeItem, type Instruction } from '../../protocol/instruction.js';
import { keyAlgOf } from '../../protocol/jws.js';
import { TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import type { Thumbprint } from '../../protocol/types.js';
import { tellAmended } from './amending.js';
import { answer, closeWaiting, resume } from './answers.js';
import {
  type Books,
  booksOf,
  hasSigned,
  type Item,
  isNodeKey,
  type NaiveMember,
  type NaiveReceipt,
  type Turn,
} from './books.js';
import { addVoices, approve, ask, executeChange, sayReady, takeOver } from './change.js';
import { change, publish } from './directory.js';
import { cancel, manage, reprioritise } from './leaving.js';
import { lapseLocks, reveal, tellLocked } from './locks.js';
import { conclude, HOUR_MS, noTrace, passedHours } from './memory.js';
import { type Judged, offer } from './offers.js';
import { endOf, isHeld, pass, release } from './queue.js';
import { begin, leaveOpen, sign } from './settlements.js';

/** Whether a signature holds: a fact about bytes, which the ledger does not judge. */
export type SignatureFact = (check: {
  readonly alg: 'Ed25519' | 'ES256';
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}) => boolean;

/** A final block: the items that its cut adds, lane by lane in the order of the set. */
export interface OrderedBlock {
  readonly height: number;
  readonly time: number;
  /** Whose block it is: its place in the set in charge. */
  readonly proposer: number;
  readonly lanes: readonly (readonly Uint8Array[])[];
  /** Of the block with which a restart begins an epoch: the set that it puts in charge (protocol/SPEC.md, The restart ceremony). */
  readonly restart?: { readonly epoch: number; readonly members: readonly NaiveMember[] };
}

export class NaiveLedger {
  readonly books: Books;
  readonly #isValid: SignatureFact;

  constructor(genesis: Genesis, isValid: SignatureFact) {
    this.books = booksOf(genesis);
    this.#isValid = isValid;
  }

  /** Applies the next block. Returns its receipts in the order in which they came about. */
  apply({ height, time, proposer, lanes, restart }: OrderedBlock): NaiveReceipt[] {
    const { books } = this;
    // A block that begins an epoch anew puts a set in charge, and does nothing else.
    if (restart !== undefined) {
      takeOver(books, height, restart);
      return [];
    }
    const thresholds = new Map([...books.parties.values()].map(({ party, threshold }) => [party, threshold]));
    const turn = turnOf({ height, time, proposer }, thresholds);
    const first = lanes.length === 0 ? 0 : height % lanes.length;
    const items = [...lanes.slice(first), ...lanes.slice(0, first)].flat().flatMap((bytes) => this.#item(bytes));
    runTriggers(books, turn);
    release(books, turn);
    runPhases(books, turn, items);
    return turn.receipts;
  }

  /** Whether enough of its initiator's keys have signed, by the present state: without that it cannot take effect. */
  isSigned(instruction: Instruction): boolean {
    const { books } = this;
    const { initiator: party, kind } = instruction.payload;
    const thresholds = new Map([[party, books.parties.get(party)?.threshold ?? Infinity]]);
    const turn = turnOf({ height: Infinity, time: 0, proposer: 0 }, thresholds);
    const signed = this.#signed(instruction);
    return kind === 'ready'
      ? signed.some((kid) => isNodeKey(books, turn, party, kid))
      : hasSigned(books, turn, party, signed);
  }

  /** Bytes that are no instruction have no effect. */
  #item(bytes: Uint8Array): Item[] {
    const read = decodeItem(bytes);
    if (!read.ok) return [];
    const { instruction } = read;
    return [{ instruction, signed: this.#signed(instruction), possessed: this.#possessed(instruction) }];
  }

  #signed({ signatures }: Instruction): Thumbprint[] {
    return signatures.flatMap(({ kid, alg, signingInput, signature }) => {
      const key = this.books.keys.get(kid);
      if (key === undefined || key.alg !== keyAlgOf(alg)) return [];
      return this.#isValid({ alg: key.alg, key: key.key, message: signingInput, signature }) ? [kid] : [];
    });
  }

  /** New keys that may be registered, each proven by its own signature. */
  #possessed({ possessions }: Instruction): Set<Thumbprint> {
    const proven = possessions.filter(
      ({ alg, key, signingInput, signature }) =>
        this.#isValid({ alg, key, message: signingInput, signature }) && judgeKey({ alg, key }) === null,
    );
    return new Set(proven.map(({ kid }) => kid));
  }
}

/** A block in which nothing has happened yet. */
const turnOf = (at: Pick<Turn, 'height' | 'time' | 'proposer'>, thresholds: Turn['thresholds']): Turn => ({
  ...at,
  thresholds,
  receipts: [],
  begun: new Set(),
  advanced: new Set(),
  amended: new Set(),
  bound: [],
  locked: [],
});

/** What is due: hours to be forgotten, lapses, ends of waiting; by time, then in this order of kinds, then by digest. */
function runTriggers(books: Books, turn: Turn): void {
  const lapses = [...books.open.values()].flatMap((settlement) =>
    turn.time > endOf(settlement) && !isHeld(settlement)
      ? [
          {
            at: endOf(settlement),
            kind: 1,
            name: settlement.digest,
            run: () => conclude(books, turn, settlement, 'lapsed'),
          },
        ]
      : [],
  );
  const { change: asked } = books;
  if (asked !== null && turn.time > asked.end)
    lapses.push({ at: asked.end, kind: 1, name: asked.digest, run: () => conclude(books, turn, asked, 'lapsed') });
  const ends = books.waiting.flatMap((waiter) => {
    const run = (): void => {
      books.waiting = books.waiting.filter((other) => other !== waiter);
      conclude(books, turn, waiter, 'unmatched');
    };
    return turn.time > waiter.expires
      ? [{ at: waiter.expires, kind: 2, name: `${waiter.settlement} ${waiter.digest}`, run }]
      : [];
  });
  const hours = passedHours(books, turn).map((hour) => ({
    at: (hour + 1) * HOUR_MS - 1,
    kind: 0,
    name: '',
    run: () => void books.hours.delete(hour),
  }));
  const due = [...lapses, ...ends, ...hours].sort(
    (a, b) => a.at - b.at || a.kind - b.kind || (a.name < b.name ? -1 : 1),
  );
  for (const { run } of due.slice(0, TRIGGERS_PER_BLOCK_MAX)) run();
}

const isFirst = ({ instruction: { payload } }: Item): boolean =>
  (payload.kind === 'key' && payload.action === 'revoke') ||
  (payload.kind === 'participant' && payload.action === 'suspend');
const isLast = (item: Item): boolean =>
  !isFirst(item) &&
  ['asset', 'participant', 'key', 'ready', 'reprioritise', 'liquidity', 'calendar'].includes(
    item.instruction.payload.kind,
  );

function runPhases(books: Books, turn: Turn, items: readonly Item[]): void {
  for (const item of items.filter(isFirst)) if (noTrace(books, turn, item) === null) change(books, turn, item);

  const begun: string[] = [];
  const asked: string[] = [];
  for (const item of items) {
    const { payload, digest } = item.instruction;
    if ((payload.kind !== 'settle' && payload.kind !== 'govern') || noTrace(books, turn, item) !== null) continue;
    const isBegun = payload.kind === 'settle' && begin(books, turn, item, payload);
    const standing = books.change;
    const isAsked = payload.kind === 'govern' && ask(books, turn, item, payload);
    if (isAsked && standing !== null) closeWaiting(books, turn, standing.digest);
    if (isBegun) begun.push(digest);
    else if (isAsked) asked.push(digest);
    else closeWaiting(books, turn, digest);
  }

  for (const digest of [...begun, ...asked]) resume(books, turn, digest, 'withdraw');
  for (const item of items) {
    const { payload } = item.instruction;
    if (payload.kind === 'withdraw' && noTrace(books, turn, item) === null) answer(books, turn, item, payload);
    if (payload.kind === 'cancel' && noTrace(books, turn, item) === null) cancel(books, turn, item, payload);
  }

  for (const digest of [...begun, ...asked]) resume(books, turn, digest, 'consent');
  for (const item of items) {
    const { payload, digest } = item.instruction;
    if (payload.kind === 'consent' && noTrace(books, turn, item) === null) answer(books, turn, item, payload);
    // Every copy adds its signatures, also one that came before the initiator's own.
    const settlement = books.open.get(digest);
    if (settlement !== undefined) sign(books, turn, settlement, item.signed);
    if (books.change?.digest === digest) addVoices(books, item.signed);
  }
  const isApproved = approve(books, turn);

  leaveOpen(books, turn, begun);

  for (const item of items) {
    const { payload } = item.instruction;
    if (payload.kind === 'reveal' && noTrace(books, turn, item) === null) reveal(books, turn, item, payload);
  }
  tellLocked(books, turn);

  for (const item of items.filter(isLast)) {
    const { payload } = item.instruction;
    if (noTrace(books, turn, item) !== null) continue;
    if (payload.kind === 'ready') sayReady(books, turn, item, payload);
    else if (payload.kind === 'reprioritise') reprioritise(books, turn, item, payload);
    else if (payload.kind === 'calendar') publish(books, turn, item, payload);
    else if (payload.kind === 'liquidity') manage(books, turn, item, payload);
    else change(books, turn, item);
  }
  lapseLocks(books, turn);
  pass(books, turn);
  const judged: Judged = [];
  for (const item of items) {
    const { payload } = item.instruction;
    if (payload.kind === 'offer' && noTrace(books, turn, item) === null) offer(books, turn, item, payload, judged);
  }
  for (const settlement of turn.bound) {
    // A part of it may have settled since, and another wait.
    if (!books.open.has(settlement.digest) || turn.advanced.has(settlement.digest)) continue;
    conclude(books, turn, settlement, settlement.bound?.isQueued === true ? 'queued' : 'scheduled');
  }
  tellAmended(books, turn);
  executeChange(books, turn, asked, isApproved);
}
