/** Watches a run: which situations it met, and, when asked to, what each node did when, to be read afterwards. */
import { TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import type { Ballot } from '../../protocol/types.js';
import { type CheckerOptions, messageOf, type Watched } from '../checkers/watched.js';
import { Checkers } from '../checkers.js';
import type { SimBus, World } from '../world.js';

const LINES_MAX = 20_000;
/** A snapshot leaves out at least so many blocks, whatever a plan says. */
const SNAPSHOT_BLOCKS_MIN = 8;

interface Line {
  readonly atMs: number;
  readonly node: number | null;
  readonly what: string;
}

type OnFinal = Parameters<Checkers['onFinal']>;
type OnSend = Parameters<Checkers['onSend']>;

/** What becomes of what waited in the queue, as situations name it. */
const FROM_QUEUE: ReadonlySet<string> = new Set(['settled', 'part_settled', 'lapsed', 'cancelled']);
const FROM_LOCK: ReadonlySet<string> = new Set(['settled', 'lapsed', 'cancelled']);

/** The checkers, which see all that is sent and made final, and so do we. */
export class Recorder extends Checkers {
  readonly #lines: Line[] = [];
  readonly #isTracing: boolean;
  readonly #views = new Map<number, number>();
  readonly #said = new Map<number, { sent: number; received: number }>();
  /** By node: the last height that it told of. */
  readonly #heights = new Map<number, number>();
  /** What was bound and did not settle at once. */
  readonly #inQueue = new Set<string>();
  readonly #locked = new Set<string>();
  /** By node: the epoch of the last final block that it told of. */
  readonly #epochs = new Map<number, number>();
  /** Nodes that were two epochs behind the furthest. */
  readonly #twoBehind = new Set<number>();
  readonly #once = new Set<string>();
  readonly #buses = new Set<unknown>();
  readonly #world: World;
  readonly #startedMs: number;

  constructor(world: World, options: CheckerOptions, isTracing: boolean) {
    super(options);
    this.#world = world;
    this.#startedMs = world.nowMs;
    this.#isTracing = isTracing;
  }

  met(name: string): void {
    this.#world.met(name);
  }

  note(node: number | null, what: string): void {
    if (!this.#isTracing) return;
    this.#lines.push({ atMs: this.#world.nowMs, node, what });
    if (this.#lines.length > 2 * LINES_MAX) this.#lines.splice(0, LINES_MAX);
  }

  /** From the first frame that a process sends, those it is sent are counted too. */
  #listen(node: number, bus: SimBus): void {
    if (this.#buses.has(bus)) return;
    this.#buses.add(bus);
    const receive = bus.receive.bind(bus);
    bus.receive = (...frame) => {
      this.#count(node).received += 1;
      receive(...frame);
    };
  }

  /** Whether a node has answered 202 for something that is not ordered yet. */
  isOwed({ self, running }: Watched): boolean {
    return this.acknowledged.some(
      ({ node, digest }) => node === self && running?.replica.admission.isPending(digest) === true,
    );
  }

  override wiped(node: Watched): void {
    super.wiped(node);
    this.#heights.set(node.self, 0);
  }

  override onFinal(...[node, committed]: OnFinal): void {
    super.onFinal(node, committed);
    const { header, id } = committed.block;
    const last = this.#heights.get(node.self) ?? 0;
    this.#heights.set(node.self, header.height);
    this.#noteEpoch(node.self, header.epoch);
    // One that it died before it told of may be missing, so many are not.
    if (header.height > last + SNAPSHOT_BLOCKS_MIN) this.met('snapshot_installed');
    const { receipts } = committed.executed;
    if (this.#isFirst(`final/${header.height}`)) {
      for (const { digest, code } of receipts) {
        this.met(`outcome_${code}`);
        if (this.#inQueue.has(digest) && FROM_QUEUE.has(code)) this.met(`${code}_from_queue`);
        if (this.#locked.has(digest) && FROM_LOCK.has(code)) this.met(`${code}_from_lock`);
        if (code === 'locked') this.#locked.add(digest);
        if (code === 'queued' || code === 'scheduled') this.#inQueue.add(digest);
      }
      if (receipts.length === 0) this.met('empty_block');
      if (receipts.filter(({ code }) => code === 'lapsed').length >= TRIGGERS_PER_BLOCK_MAX)
        this.met('triggers_left_over');
    }
    this.note(
      node.self,
      `final: height ${header.height}, view ${header.view}, block ${id.slice(0, 8)}, ${receipts.length} results`,
    );
  }

  #noteEpoch(node: number, epoch: number): void {
    const before = Math.max(...this.#epochs.values(), 0);
    this.#epochs.set(node, epoch);
    if (epoch > before) {
      for (const [other, its] of this.#epochs) if (its <= epoch - 2) this.#twoBehind.add(other);
    } else if (epoch === before && this.#twoBehind.delete(node)) this.met('two_epochs_fetched');
  }

  override onSend(...[node, disk, frame]: OnSend): void {
    super.onSend(node, disk, frame);
    const message = messageOf(frame);
    if (this.#isTracing) {
      if (node.running?.bus !== undefined) this.#listen(node.self, node.running.bus as SimBus);
      this.#count(node.self).sent += 1;
      this.#noteView(node.self, node.running?.replica.core.view ?? 0);
    }
    if (message === null) return;
    switch (message.type) {
      case 'vote':
        this.#say(node.self, 'vote', message.vote.ballot, message.vote.signer === node.self);
        break;
      case 'proposal':
        this.#say(node.self, 'propose', message.proposal.vote.ballot, message.proposal.vote.signer === node.self);
        break;
      case 'certificate': {
        const { ballot } = message.certificate;
        if (ballot.kind === 'nullify' && this.#isFirst(`nullification/${ballot.view}`)) this.met('nullification');
        this.#say(node.self, 'hold the certificate', ballot, true);
        break;
      }
      case 'wantBlock':
        this.met('block_asked');
        break;
      case 'wantBatches':
        this.met('batches_asked');
        break;
      case 'wantCertificates':
        this.met('certificates_asked');
        break;
      case 'final':
        this.met('final_blocks_sent');
        if (message.headers.length > 1) this.met('blocks_final_together');
        break;
      default:
    }
  }

  /** Several frames say the same to several peers: one line is enough. */
  #say(node: number, what: string, ballot: Ballot, isOwn: boolean): void {
    if (!this.#isTracing || !isOwn) return;
    const text = `${what} ${ballot.kind} ${ballot.view}${ballot.block === null ? '' : ` for ${ballot.block.slice(0, 8)}`}${ballot.root === null ? '' : ` with root ${ballot.root.slice(0, 8)}`}`;
    if (this.#isFirst(`${node}/${text}`)) this.note(node, text);
  }

  #noteView(node: number, view: number): void {
    if (this.#views.get(node) === view) return;
    this.#views.set(node, view);
    const { sent, received } = this.#count(node);
    this.#said.delete(node);
    this.note(node, `enter view ${view} (${sent} frames sent and ${received} received since the last)`);
  }

  #count(node: number): { sent: number; received: number } {
    const count = this.#said.get(node) ?? { sent: 0, received: 0 };
    this.#said.set(node, count);
    return count;
  }

  #isFirst(name: string): boolean {
    if (this.#once.has(name)) return false;
    this.#once.add(name);
    return true;
  }

  /** The last lines, in columns: virtual seconds since the start, node, what. */
  trace(lines: number): string[] {
    return this.#lines.slice(-lines).map(({ atMs, node, what }) => {
      const seconds = ((atMs - this.#startedMs) / 1000).toFixed(3).padStart(10);
      return `${seconds}  ${node === null ? '  all' : `node ${node}`}  ${what}`;
    });
  }
}
