/** The ledger and the naive ledger beside each other, block by block, over the same items of a workload. */
import { applyBlock } from '../../ledger/apply.js';
import { type Changes, State } from '../../ledger/state.js';
import { laneItems, learnFacts, ordered } from '../../node/replica/facts.js';
import { toHex } from '../../protocol/codec.js';
import { hashPairs } from '../../protocol/hash.js';
import { encodeItem, type JwsJson } from '../../protocol/instruction.js';
import type { Height, TimestampMs, ValidatorIndex } from '../../protocol/types.js';
import { cheapFact } from '../checkers/signatures.js';
import { cheapVerifier } from '../crypto.js';
import { Random } from '../random.js';
import { Desk } from '../workload/desk.js';
import { jurisdictionsOf } from '../workload/parties.js';
import { type Profile, readJws, simGenesis, Workload } from '../workload.js';
import { Audit } from './audit.js';
import { NaiveLedger } from './ledger.js';

const LANES = 4;
const told = ({
  digest,
  kind,
  code,
}: {
  readonly digest: string;
  readonly kind: string;
  readonly code: string;
}): string => `${kind} ${digest.slice(0, 12)} ${code}`;

export class Beside {
  readonly random: Random;
  nowMs = Date.UTC(2026, 0, 5, 8);
  readonly genesis = simGenesis(this.nowMs - 1000, LANES);
  readonly naive = new NaiveLedger(this.genesis, cheapFact);
  readonly workload: Workload;
  readonly desk: Desk;
  /** `kind code` of every receipt so far. */
  readonly met = new Set<string>();
  readonly violations: string[] = [];
  state: State;
  height = 0;
  readonly #audit = new Audit(this.genesis, (violation) => this.violations.push(violation));
  readonly #ids = new Map<string, Uint8Array>();

  constructor(seed: number, profile: Profile) {
    this.random = new Random(seed);
    this.workload = new Workload(this, this.genesis, profile);
    this.desk = new Desk(this, this.genesis, jurisdictionsOf(LANES));
    const { network, created, parameters, authorities, validators } = this.genesis;
    const recall = { get: (key: Uint8Array) => this.#ids.get(toHex(key)) };
    const { skewMs } = parameters;
    this.state = State.genesis({ network, created, skewMs, authorities, validators }, recall, hashPairs);
    this.#commit(this.state);
  }

  #commit(state: State): void {
    const { ids }: Changes = state.changes();
    for (const { key, value } of ids) this.#ids.set(toHex(key), value);
    state.commit();
    this.state = state;
  }

  /** The next block, so much later. Gives the codes of its receipts. What the two do not agree on is a violation. */
  async block(lanes: readonly (readonly Uint8Array[])[], afterMs = 500): Promise<string[]> {
    this.nowMs += afterMs;
    this.height += 1;
    const items = lanes.map(laneItems);
    const keyOf = this.state.publicKey.bind(this.state);
    await learnFacts(items.flat(), keyOf, cheapVerifier, 'lane');
    const proposer = (Math.floor(this.height / 3) % this.state.members().length) as ValidatorIndex;
    const at = { height: this.height as Height, time: this.nowMs as TimestampMs, proposer };
    const facts = items.map((lane) => lane.map((item) => ordered(item, keyOf)));
    const { state, receipts } = applyBlock(this.state, at, facts);
    this.#commit(state);
    const block = { height: this.height, time: this.nowMs, proposer, lanes };
    const own = this.naive.apply(block);
    for (const { kind, code } of receipts) this.met.add(`${kind} ${code}`);
    for (let i = 0; i < Math.max(own.length, receipts.length); i++) {
      const [mine, theirs] = [own[i], receipts[i]];
      if (mine === undefined || theirs === undefined || told(mine) !== told(theirs)) {
        this.violations.push(
          `height ${this.height}, receipt ${i}: ${theirs ? told(theirs) : 'nothing'}; naive ${mine ? told(mine) : 'nothing'}`,
        );
        break;
      }
    }
    this.#audit.apply(block, receipts);
    this.#audit.compare(state, this.height, 0);
    return receipts.map(({ code }) => code);
  }

  /** A block of one lane. */
  one(...items: readonly JwsJson[]): Promise<string[]> {
    return this.block([items.map((jws) => encodeItem(readJws(jws))), [], [], []]);
  }

  async open(): Promise<void> {
    for (const stage of await this.workload.opening()) await this.one(...stage);
  }

  /** Blocks of what the workload makes, some of them much later, with bytes that are nothing among it. */
  async work(blocks: number): Promise<void> {
    for (let i = 0; i < blocks && this.violations.length === 0; i++) {
      const lanes: Uint8Array[][] = Array.from({ length: LANES }, () => []);
      for (let left = this.random.between(0, 40); left > 0; left--)
        this.random.pick(lanes).push(encodeItem(readJws(await this.workload.next())));
      if (this.random.chance(100)) this.random.pick(lanes).push(this.random.bytes(50));
      await this.block(
        lanes,
        this.random.chance(30) ? this.random.between(10_000, 40_000_000) : this.random.between(1, 900),
      );
    }
  }
}
