/** The check of stored blocks and receipts: each block leads to the next, each root is made of its parts, and certificates of the epoch's set cover all. */
import { leafOf, unpackReceipts } from '../../ledger/receipt.js';
import { blockId, genesisBlockId, genesisResultRoot, resultRoot } from '../../protocol/block.js';
import { certificateChecks, type HandOver, judgeSigners } from '../../protocol/certificate.js';
import { Reader } from '../../protocol/codec.js';
import { openingId } from '../../protocol/handover.js';
import { merkleRoot } from '../../protocol/merkle.js';
import type { BlockId, Epoch, Height, NetworkId, ValidatorSet } from '../../protocol/types.js';
import type { SignatureCheck, Verifier } from '../ports.js';
import type { Findings, SoundRecords } from './findings.js';
import { type BlockRecord, decodeBlock } from './records.js';
import { certifiedId } from './repair.js';

/** Signatures that go to the threads together. */
const CHECKS_AT_ONCE = 512;

/** What was established before: who had the say in each epoch, and how each but the first began. */
export interface Epochs {
  readonly network: NetworkId;
  readonly sets: ReadonlyMap<Epoch, ValidatorSet>;
  readonly handOvers: ReadonlyMap<Epoch, HandOver>;
}

export interface ChainAudit {
  readonly blocks: number;
  /** The highest block that a certificate covers, by itself or by a later one that descends from it; 0 is the genesis. */
  readonly certified: number;
  /** The record of the height that was asked for, if it is sound. */
  readonly last: BlockRecord | null;
}

const heightOf = (key: Uint8Array): number => (key.length === 8 ? new Reader(key).u64() : -1);

/** Receipts beside the blocks that are gone through: both ascend by height. */
class Receipts {
  readonly #entries: AsyncIterator<readonly [Uint8Array, Uint8Array]>;
  readonly #findings: Findings;
  #next: { readonly height: number; readonly packed: Uint8Array } | null = null;
  #isOver = false;

  constructor(records: SoundRecords, findings: Findings) {
    this.#entries = records.scan('receipts')[Symbol.asyncIterator]();
    this.#findings = findings;
  }

  /** Those of a height, or null. Those of heights passed over belong to no block that is here. */
  async of(height: number): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#next === null && !this.#isOver) await this.#read();
      if (this.#next === null || this.#next.height > height) return null;
      const { height: found, packed } = this.#next;
      this.#next = null;
      if (found === height) return packed;
      this.#findings.add('record_missing', 'blocks', found, 'there are receipts of this height, and no block');
    }
  }

  async #read(): Promise<void> {
    const next = await this.#entries.next();
    if (next.done === true) this.#isOver = true;
    else this.#next = { height: heightOf(next.value[0]), packed: next.value[1] };
  }
}

export class ChainAuditor {
  readonly #epochs: Epochs;
  readonly #findings: Findings;
  readonly #verifier: Pick<Verifier, 'verify'>;
  #owed: { readonly height: number; readonly check: SignatureCheck }[] = [];
  #blocks = 0;
  #certified = 0;
  /** The block gone through last. */
  #before: { readonly height: number; readonly record: BlockRecord } | null = null;

  constructor(epochs: Epochs, findings: Findings, verifier: Pick<Verifier, 'verify'>) {
    this.#epochs = epochs;
    this.#findings = findings;
    this.#verifier = verifier;
  }

  /** `floor`: below it blocks were let go of (prune.ts), so that its parent is not here. */
  async run(records: SoundRecords, { height: wanted, floor }: { height: Height; floor: number }): Promise<ChainAudit> {
    const receipts = new Receipts(records, this.#findings);
    let last: BlockRecord | null = null;
    for await (const [key, bytes] of records.scan('blocks')) {
      const height = heightOf(key);
      const record = decodeBlock(bytes);
      if (record?.header.height !== height) {
        this.#findings.add('record_malformed', 'blocks', key, 'this is no block of that height');
        continue;
      }
      this.#blocks += 1;
      const packed = height === 0 ? null : await receipts.of(height);
      this.#judge(height, record, packed, floor);
      if (height === wanted) last = record;
      this.#before = { height, record };
      if (this.#owed.length >= CHECKS_AT_ONCE) await this.#verifyOwed();
    }
    await receipts.of(Number.MAX_SAFE_INTEGER);
    await this.#verifyOwed();
    return { blocks: this.#blocks, certified: this.#certified, last };
  }

  #judge(height: number, record: BlockRecord, packed: Uint8Array | null, floor: number): void {
    const { header, parentRoot, receiptsRoot, stateRoot, root } = record;
    const made = height === 0 ? genesisResultRoot(stateRoot) : resultRoot(parentRoot, receiptsRoot, stateRoot);
    if (made !== root)
      this.#findings.add('wrong_root', 'blocks', height, `its parts make the root ${made}, and it has ${root}`);
    if (header.network !== this.#epochs.network && height > 0)
      this.#findings.add('other_network', 'blocks', height, `it is a block of network ${header.network}`);
    const isBegun = this.#before === null || this.#before.height + 1 === height;
    if (isBegun) this.#judgeParent(height, record);
    // What a snapshot brought has no receipts here, and what was let go of no block.
    else if (packed !== null && height !== floor)
      this.#findings.add('record_missing', 'blocks', height - 1, `the block before ${height} is not here`);
    if (height > 0 && (packed !== null || isBegun)) this.#judgeReceipts(height, record, packed);
    this.#judgeCertificate(height, record);
  }

  #judgeParent(height: number, { header, parentRoot }: BlockRecord): void {
    if (this.#before === null) return;
    const { record } = this.#before;
    if (header.parent !== idFor(this.#epochs.handOvers, record, header.epoch) || parentRoot !== record.root)
      this.#findings.add(
        'chain_broken',
        'blocks',
        height,
        `it does not follow from block ${height - 1} as stored here`,
      );
  }

  #judgeReceipts(height: number, { receiptsRoot }: BlockRecord, packed: Uint8Array | null): void {
    if (packed === null) {
      this.#findings.add('record_missing', 'receipts', height, 'the receipts of a block are not here');
      return;
    }
    const receipts = unpackReceipts(packed);
    if (receipts === null) {
      this.#findings.add('record_malformed', 'receipts', height, 'these are no receipts');
      return;
    }
    const root = merkleRoot(receipts.map((receipt) => leafOf(receipt)));
    if (root !== receiptsRoot)
      this.#findings.add(
        'receipts_differ',
        'receipts',
        height,
        `their root is ${root}, and the block has ${receiptsRoot}`,
      );
  }

  #judgeCertificate(height: number, record: BlockRecord): void {
    const { header, certificate, root } = record;
    if (certificate === null) {
      // A restart's authorities vouch for the last block before it, and its own first one follows from that alone.
      const next = this.#epochs.handOvers.get((header.epoch + 1) as Epoch);
      const own = this.#epochs.handOvers.get(header.epoch);
      const isRestarted = next?.kind === 'restart' && next.block === blockId(header) && next.restart.last.root === root;
      if (isRestarted || (own?.kind === 'restart' && header.view === 0)) this.#certified = height;
      return;
    }
    const set = this.#epochs.sets.get(header.epoch);
    const id = certifiedId(record);
    if (set === undefined || id === null || certificate.ballot.block !== id) {
      this.#findings.add('bad_certificate', 'blocks', height, 'its certificate is not of this block');
      return;
    }
    const refusal = judgeSigners(certificate.signatures, set);
    if (refusal !== null) {
      this.#findings.add('bad_certificate', 'blocks', height, `${refusal.code}: ${refusal.detail}`);
      return;
    }
    for (const check of certificateChecks(certificate, this.#epochs.network, set)) this.#owed.push({ height, check });
    this.#certified = height;
  }

  async #verifyOwed(): Promise<void> {
    const owed = this.#owed;
    this.#owed = [];
    const verdicts = await this.#verifier.verify(owed.map(({ check }) => check));
    const bad = new Set(owed.flatMap(({ height }, at) => (verdicts[at] === true ? [] : [height])));
    for (const height of bad)
      this.#findings.add('bad_certificate', 'blocks', height, 'a signature of its certificate does not hold');
  }
}

/** The id by which a block of an epoch names the one before it: its own, or the opening of that epoch over it. */
export function idFor(
  handOvers: ReadonlyMap<Epoch, HandOver>,
  { header, root }: Pick<BlockRecord, 'header' | 'root'>,
  epoch: Epoch,
): BlockId {
  const own = header.height === 0 ? genesisBlockId(header.network) : blockId(header);
  const handOver = epoch === header.epoch ? undefined : handOvers.get(epoch);
  return handOver?.kind === 'change' ? openingId(handOver.set, own, root) : own;
}
