/**
 * `npm run bench -- netting`: what one core does in the ledger alone. A pass through a queue in which money is scarce, at
 * sizes ten times apart; and funded settlements over ledgers ten times apart. Ratios within the run say what grows.
 */
import Table from 'cli-table3';
import { applyBlock, type Ordered } from '../../ledger/apply.js';
import { accountName } from '../../ledger/entries.js';
import { type Queue, select } from '../../ledger/queue/netting.js';
import { State } from '../../ledger/state.js';
import { buildInstruction, type PayloadFields } from '../../node/api/signing.js';
import { hashPairsNative } from '../../node/main/hasher.js';
import { validatorSet } from '../../protocol/block.js';
import { statePath, stateValueHash } from '../../protocol/stateproof.js';
import {
  type AmountMinor,
  type AssetCode,
  assert,
  type Bic,
  type Epoch,
  type Height,
  type Jurisdiction,
  type NetworkId,
  type Thumbprint,
  type TimestampMs,
  type ValidatorIndex,
  ZERO_HASH,
} from '../../protocol/types.js';
import { LEI } from '../lei.js';
import { Random } from '../random.js';

const [BANKS, CURRENCIES] = [100, 10];
/** How long a queue is, and what an account holds at most: so that about as large a part of each has to go, one by one. */
const QUEUES = [
  { settlements: 1_000, fundsMax: 850 },
  { settlements: 10_000, fundsMax: 1_800 },
  { settlements: 100_000, fundsMax: 2_100 },
] as const;
/** Enough that the compiler has done its work in the last ones. */
const RUNS = 20;

interface PassFigures {
  readonly settlements: number;
  readonly movements: number;
  readonly ms: number;
  readonly usPerMovement: number;
  /** How many of the queue settled, of a thousand. */
  readonly settledPerMille: number;
}
interface LedgerFigures {
  readonly accounts: number;
  readonly settledPerSecond: number;
  /** Of a settlement: all of it, and what of it the state's tree takes, which is made again beside to be timed. */
  readonly us: number;
  readonly treeUs: number;
}
export interface NettingFigures {
  readonly passes: readonly PassFigures[];
  /** What a movement costs in the longest queue, as a multiple of what it costs in one a tenth as long. */
  readonly growth: number;
  readonly ledgers: readonly LedgerFigures[];
  /** The same of settlements a second, in the smaller ledger against the larger. */
  readonly slowdown: number;
  /** The same of what is not the tree. */
  readonly slowdownBesideTree: number;
}

/** A queue of PvP between banks that hold a fraction of what they owe. */
function scarceQueue({ settlements, fundsMax }: (typeof QUEUES)[number], random: Random): Queue {
  const known = new Map<number, number>();
  const funds: bigint[] = [];
  const [starts, accounts, nets, tiers]: [number[], number[], bigint[], number[]] = [[0], [], [], []];
  const touch = (account: number, net: bigint, tier: number): void => {
    if (!known.has(account)) known.set(account, funds.push(BigInt(random.between(0, fundsMax))) - 1);
    accounts.push(known.get(account) as number);
    nets.push(net);
    tiers.push(tier);
  };
  for (let at = 0; at < settlements; at++) {
    const from = random.between(0, BANKS - 1);
    const to = (from + random.between(1, BANKS - 1)) % BANKS;
    const x = random.between(0, CURRENCIES - 1);
    const y = (x + random.between(1, CURRENCIES - 1)) % CURRENCIES;
    const [there, back] = [BigInt(random.between(1, 1_000)), BigInt(random.between(1, 1_000))];
    const tier = random.chance(100) ? 0 : random.chance(200) ? 1 : 2;
    touch(from * CURRENCIES + x, 0n - there, tier);
    touch(to * CURRENCIES + x, there, tier);
    touch(to * CURRENCIES + y, 0n - back, tier);
    touch(from * CURRENCIES + y, back, tier);
    starts.push(nets.length);
  }
  return {
    funds,
    ordered: funds.map(() => false),
    limiting: funds.map(() => false),
    starts,
    accounts,
    nets,
    tiers,
    kept: nets.map(() => 0n),
    lots: starts.slice(1).map(() => 1),
  };
}

function measurePass(size: (typeof QUEUES)[number]): PassFigures {
  const { settlements } = size;
  const queue = scarceQueue(size, new Random(settlements));
  const times: number[] = [];
  let settled = 0;
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    const { rounds } = select(queue);
    times.push(performance.now() - started);
    settled = rounds.reduce((sum, { together, alone }) => sum + together.length + alone.length, 0);
  }
  const ms = Math.min(...times);
  const movements = queue.nets.length;
  return {
    settlements,
    movements,
    ms: rounded(ms),
    usPerMovement: rounded((1_000 * ms) / movements),
    settledPerMille: Math.round((1_000 * settled) / settlements),
  };
}

const rounded = (value: number): number => Number(value.toPrecision(3));

const NETWORK = 'ab'.repeat(32) as NetworkId;
const START_MS = Date.UTC(2026, 0, 5) as TimestampMs;
const bankName = (at: number): Bic =>
  `B${String(at).padStart(7, '0').slice(0, 3)}HK${String(at).padStart(7, '0').slice(2)}` as Bic;
const kidOf = (at: number): Thumbprint => `${at}`.padStart(43, 'k') as Thumbprint;
const currencyOf = (at: number): AssetCode => `TOKEN${at}` as AssetCode;

/** A ledger of so many accounts: each bank has one in each currency, with more than it will pay. */
function ledgerOf(accounts: number): State {
  const authority = {
    party: bankName(0),
    name: 'Authority',
    lei: LEI,
    jurisdiction: 'HK' as Jurisdiction,
    threshold: 1,
    keys: [],
  };
  const genesis = {
    network: NETWORK,
    created: START_MS,
    skewMs: 2_000,
    validators: validatorSet(0 as Epoch, []),
    authorities: [authority],
  };
  const base = State.genesis(genesis, { get: () => undefined }, hashPairsNative);
  base.commit();
  const state = base.child();
  const banks = accounts / CURRENCIES;
  for (let at = 1; at <= banks; at++) {
    const [party, kid] = [bankName(at), kidOf(at)];
    const name = { name: party, lei: LEI, jurisdiction: 'HK' as Jurisdiction };
    state.tables.participants.set(party, {
      ...name,
      party,
      authority: false,
      suspended: false,
      solver: false,
      threshold: 1,
      kids: [kid],
    });
    state.registerKey(kid, { party, role: 'instruction', alg: 'Ed25519', key: new Uint8Array(32), revoked: false });
    for (let currency = 0; currency < CURRENCIES; currency++) {
      const asset = currencyOf(currency);
      const account = { party, asset, balance: 1_000_000n, counter: 0, chain: ZERO_HASH, salt: ZERO_HASH };
      state.tables.accounts.set(accountName(party, asset), account);
    }
  }
  for (let currency = 0; currency < CURRENCIES; currency++) {
    const asset = currencyOf(currency);
    const fixed = {
      class: 'stablecoin' as const,
      name: asset,
      issuer: bankName(0),
      jurisdiction: 'HK' as Jurisdiction,
    };
    state.tables.assets.set(asset, { ...fixed, asset, decimals: 0, cap: (10n ** 20n) as AmountMinor });
    const circulating = -1_000_000n * BigInt(banks);
    state.tables.accounts.set(accountName(bankName(0), asset), {
      party: bankName(0),
      asset,
      balance: circulating,
      counter: 0,
      chain: ZERO_HASH,
      salt: ZERO_HASH,
    });
  }
  state.seal(1 as Height);
  state.commit();
  return state;
}

const SETTLEMENTS = 100_000;
const BLOCK = 10_000;

function measureLedger(accounts: number): LedgerFigures {
  let state = ledgerOf(accounts);
  const random = new Random(accounts);
  const banks = accounts / CURRENCIES;
  let [ms, treeMs, time] = [0, 0, START_MS + 60_000];
  for (let block = 0; block < SETTLEMENTS / BLOCK; block++) {
    const items = Array.from({ length: BLOCK }, () => pvp(random, banks, time));
    const started = performance.now();
    const at = { height: (block + 2) as Height, time: time as TimestampMs, proposer: 0 as ValidatorIndex };
    const applied = applyBlock(state, at, [items]);
    ms += performance.now() - started;
    treeMs += measureTree(state, applied.state);
    const committing = performance.now();
    applied.state.commit();
    ms += performance.now() - committing;
    assert(
      applied.receipts.every(({ code }) => code === 'settled'),
      'what is funded settles',
    );
    state = applied.state;
    time += 1_000;
  }
  const usOf = (all: number): number => rounded((1_000 * all) / SETTLEMENTS);
  return { accounts, settledPerSecond: Math.round((1_000 * SETTLEMENTS) / ms), us: usOf(ms), treeUs: usOf(treeMs) };
}

/** How long a block's changes take in the tree of its parent alone, ms. */
function measureTree(parent: State, state: State): number {
  const updates = state.changes().state.map(({ key, value }) => ({
    path: statePath(key),
    valueHash: value === null ? null : stateValueHash(value),
  }));
  const started = performance.now();
  const { root } = parent.tree.update(updates);
  const ms = performance.now() - started;
  assert(root === state.root, 'the tree is the same');
  return ms;
}

function pvp(random: Random, banks: number, nowMs: number): Ordered {
  const from = random.between(1, banks);
  const to = 1 + ((from + random.between(0, banks - 2)) % banks);
  const [x, y] = [random.between(0, 4), random.between(5, 9)];
  const legs = [
    { from: bankName(from), to: bankName(to), asset: currencyOf(x), amount: '1' },
    { from: bankName(to), to: bankName(from), asset: currencyOf(y), amount: '2' },
  ];
  const fields = {
    kind: 'settle',
    mode: 'gross',
    network: NETWORK,
    initiator: bankName(from),
    id: random.uuid(),
    legs,
  };
  const { payload, payloadBytes, digest } = buildInstruction(fields as unknown as PayloadFields, { nowMs });
  const dates = { issuedMs: (nowMs - 5_000) as TimestampMs, expiresMs: (nowMs + 600_000) as TimestampMs };
  const instruction = { digest, payload, payloadBytes, ...dates, signatures: [], possessions: [] };
  return { instruction, signed: [kidOf(from), kidOf(to)], possessed: [] };
}

export function benchNetting(sizes: readonly [number, number], say: (line: string) => void): NettingFigures {
  const passes = QUEUES.map((size) => {
    say(`a pass over ${size.settlements} settlements`);
    return measurePass(size);
  });
  const ledgers = sizes.map((size) => {
    say(`${SETTLEMENTS} settlements over ${size} accounts`);
    return measureLedger(size);
  });
  const [shorter, longest] = passes.slice(-2) as [PassFigures, PassFigures];
  const [smaller, larger] = ledgers as [LedgerFigures, LedgerFigures];
  return {
    passes,
    growth: rounded(longest.usPerMovement / shorter.usPerMovement),
    ledgers,
    slowdown: rounded(smaller.settledPerSecond / larger.settledPerSecond),
    slowdownBesideTree: rounded((larger.us - larger.treeUs) / (smaller.us - smaller.treeUs)),
  };
}

export function nettingText({ passes, growth, ledgers, slowdown, slowdownBesideTree }: NettingFigures): string {
  const style = { head: [], border: [] };
  const queue = new Table({ head: ['queued PvP', 'a pass, ms', 'µs for a movement', 'settled of 1,000'], style });
  for (const { settlements, ms, usPerMovement, settledPerMille } of passes)
    queue.push([settlements, ms, usPerMovement, settledPerMille]);
  const ledger = new Table({ head: ['accounts', 'PvP settled a second', 'µs for one', 'of it the tree'], style });
  for (const { accounts, settledPerSecond, us, treeUs } of ledgers)
    ledger.push([accounts, settledPerSecond, us, treeUs]);
  return [
    queue.toString(),
    `A movement costs ${growth} times as much in the longest queue as in one a tenth as long.`,
    ledger.toString(),
    `The smaller ledger settles ${slowdown} times as fast as the larger; but for the tree ${slowdownBesideTree} times.`,
  ].join('\n');
}
