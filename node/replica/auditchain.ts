/** The check of stored blocks and receipts: each block leads to the next, each root is made of its parts, and certificates of the epoch's set cover all. */
import { leafOf, unpackReceipts } from '../../ledger/receipt.js';
import { blockId, genesisBlockId, genesisResultRoot, resultRoot } from '../../protocol/block.js';
import { certificateChecks, type HandOver, judgeSigners } from '../../protocol/certificate.js';
import { openingId } from '../../protocol/handover.js';
import { merkleRoot } from '../../protocol/merkle.js';
import { restartHeader } from '../../protocol/restart.js';
import {
  type BlockId,
  type Epoch,
  type NetworkId,
  type ValidatorSet,
  type View,
  ZERO_HASH,
} from '../../protocol/types.js';
import type { SignatureCheck, Verifier } from '../ports.js';
import type { Findings, SoundRecords } from './findings.js';
import { type BlockRecord, decodeBlock, encodeBlock, type FinalPointer, heightOfKey, isSame } from './records.js';
import { certifiedId, closedId } from './repair.js';

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
  /** The lowest height above the genesis whose block is here; 1 where there is none. */
  readonly lowest: number;
  /** The record of the last final block, if it is one. */
  readonly last: BlockRecord | null;
}

interface Asked {
  readonly final: FinalPointer | null;
  /** Below it blocks were let go of (prune.ts), so that its parent is not here. */
  readonly floor: number;
  /** The record of the genesis block, which the genesis file alone fixes. */
  readonly genesis: () => BlockRecord;
}

const heightOf = (key: Uint8Array): number => heightOfKey(key) ?? -1;

/** Receipts beside the blocks that are gone through: both ascend by height. */
class Receipts {
  readonly #entries: AsyncIterator<readonly [Uint8Array, Uint8Array]>;
  readonly #floor: number;
  readonly #findings: Findings;
  #next: { readonly height: number; readonly packed: Uint8Array } | null = null;
  #isOver = false;

  constructor(records: SoundRecords, floor: number, findings: Findings) {
    this.#floor = floor;
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
      // The genesis block has none, and its height is the least.
      if (found <= 0) this.#findings.add('record_malformed', 'receipts', found, 'these are receipts of no block');
      else if (found >= this.#floor)
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
  /**
   * The highest block that is covered: by a certificate of its own or of a later one that descends from it, or by a restart's
   * authorities. 0 is the genesis.
   */
  #certified = 0;
  #lowest = Number.POSITIVE_INFINITY;
  /** The block gone through last. */
  #before: { readonly height: number; readonly record: BlockRecord } | null = null;

  constructor(epochs: Epochs, findings: Findings, verifier: Pick<Verifier, 'verify'>) {
    this.#epochs = epochs;
    this.#findings = findings;
    this.#verifier = verifier;
  }

  /** Goes through all blocks. Each must be the parent of the next, up to one that is covered: whatever lies before a gap, too. */
  async run(records: SoundRecords, { final, floor, genesis }: Asked): Promise<ChainAudit> {
    const receipts = new Receipts(records, floor, this.#findings);
    let last: BlockRecord | null = null;
    for await (const [key, bytes] of records.scan('blocks')) {
      const height = heightOf(key);
      // What was let go of counts for nothing, though a peer gave it back.
      if (height > 0 && height < floor) continue;
      const record = decodeBlock(bytes);
      if (record?.header.height !== height) {
        this.#findings.add('record_malformed', 'blocks', key, 'this is no block of that height');
        continue;
      }
      this.#blocks += 1;
      if (height > 0) this.#lowest = Math.min(this.#lowest, height);
      const packed = height === 0 ? null : await receipts.of(height);
      if (height === 0 && !isSame(bytes, encodeBlock(genesis())))
        this.#findings.add('wrong_root', 'blocks', height, 'it is not the block that the genesis file begins with');
      this.#judge(height, record, packed, floor);
      if (height === final?.height) last = record;
      this.#before = { height, record };
      if (this.#owed.length >= CHECKS_AT_ONCE) await this.#verifyOwed();
    }
    await receipts.of(Number.POSITIVE_INFINITY);
    this.#judgeEnd();
    await this.#verifyOwed();
    if (final !== null) this.#judgeFinal(final, last);
    return { blocks: this.#blocks, lowest: Number.isFinite(this.#lowest) ? this.#lowest : 1, last };
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
    else this.#judgeEnd();
    // What a snapshot brought has no receipts here, and what was let go of no block.
    if (!isBegun && packed !== null && height !== floor)
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

  /** Of blocks that follow from each other the last is covered, or nothing shows that any past the last covered one was final. */
  #judgeEnd(): void {
    const { height } = this.#before ?? { height: 0 };
    if (height > this.#certified)
      this.#findings.add(
        'not_certified',
        'blocks',
        height,
        'no certificate covers it, nor a block that follows from it',
      );
  }

  /** What the pointer says must be what the last final block's certificate says, or how the pointer's epoch began. */
  #judgeFinal(final: FinalPointer, last: BlockRecord | null): void {
    const { height, epoch, view, block, root } = final;
    if (last === null) {
      this.#findings.add('record_missing', 'blocks', height, 'the last final block is not here');
      return;
    }
    const isNamed = this.#namesOf(last, epoch).some((name) => name.view === view && name.block === block);
    if (!isNamed || last.root !== root)
      this.#findings.add(
        'chain_broken',
        'meta',
        'final',
        `what was final last is not block ${height} as stored here, by its view, id and root`,
      );
    // What a restart's first block makes of the state is shown by the certificate of a block after it, and by nothing else.
    if (last.certificate === null && this.#isBegunByRestart(last))
      this.#findings.add('not_certified', 'blocks', height, 'no block after the restart is final yet: try again then');
  }

  /** By which view and id a pointer of an epoch may name a block: as it was certified, as a restart went on from it, or as the opening over it. */
  #namesOf(record: BlockRecord, epoch: Epoch): { readonly view: View; readonly block: BlockId | null }[] {
    const { header, certificate } = record;
    const { handOvers } = this.#epochs;
    if (epoch !== header.epoch)
      return epoch === header.epoch + 1 && handOvers.get(epoch)?.kind === 'change'
        ? [{ view: 0 as View, block: idFor(handOvers, record, epoch) }]
        : [];
    const next = handOvers.get((epoch + 1) as Epoch);
    const taken = next?.kind === 'restart' ? [next.restart.last] : [];
    if (certificate !== null) return [certificate.ballot, ...taken];
    return header.height === 0 || this.#isBegunByRestart(record)
      ? [{ view: header.view, block: idFor(handOvers, record, epoch) }, ...taken]
      : taken;
  }

  /** Whether it is the block that a restarted epoch begins with, which its hand-over fixes but for the state. */
  #isBegunByRestart({ header, receiptsRoot }: BlockRecord): boolean {
    const own = this.#epochs.handOvers.get(header.epoch);
    if (own?.kind !== 'restart' || receiptsRoot !== (ZERO_HASH as string)) return false;
    return blockId(header) === blockId(restartHeader(own.restart, header.time));
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
      const isRestarted =
        next?.kind === 'restart' && next.block === closedId(record) && next.restart.last.root === root;
      if (isRestarted || this.#isBegunByRestart(record)) this.#certified = height;
      else if (record.closing.length > 0)
        this.#findings.add('record_malformed', 'blocks', height, 'it has closing blocks, and no certificate of them');
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
function idFor(
  handOvers: ReadonlyMap<Epoch, HandOver>,
  { header, root, closing }: Pick<BlockRecord, 'header' | 'root' | 'closing'>,
  epoch: Epoch,
): BlockId | null {
  const own = header.height === 0 ? genesisBlockId(header.network) : blockId(header);
  const handOver = epoch === header.epoch ? undefined : handOvers.get(epoch);
  if (handOver?.kind === 'change') return openingId(handOver.set, own, root);
  // A restart goes on from a closing block, where that was notarized last.
  return handOver?.kind === 'restart' ? closedId({ header, closing }) : own;
}
