/** The check of what no block covers: batches that none has ordered yet, the index, and the outbox. */
import { receiptAt } from '../../ledger/receipt.js';
import { batchDigest, decodeBatch, decodeSignedBatch } from '../../protocol/block.js';
import { fromHex, toHex } from '../../protocol/codec.js';
import { decodeItem } from '../../protocol/instruction.js';
import type { NetworkId, SignedBatch } from '../../protocol/types.js';
import type { Verifier } from '../ports.js';
import type { Epochs } from './auditchain.js';
import { unlessDamaged, untold } from './checked.js';
import type { Findings, Records, SoundRecords } from './findings.js';
import {
  type BlockRecord,
  decodePlace,
  type FinalPointer,
  getReceipts,
  isSame,
  putBatch,
  putOutbox,
} from './records.js';

interface Ordered extends Pick<Epochs, 'network' | 'sets'> {
  readonly final: FinalPointer | null;
  readonly last: BlockRecord | null;
  readonly verifier: Pick<Verifier, 'batch'>;
}

/**
 * A batch is what its key names, by its digest. What blocks have ordered is found by that; of what the last final epoch has
 * still to order, only the author's signature shows that it wrote it, and under which incarnation.
 */
export async function auditBatches(records: SoundRecords, ordered: Ordered, findings: Findings): Promise<void> {
  for await (const [key, value] of records.scan('batches')) {
    const signed = signedBatch(value);
    if (signed === null || !isSame(putBatch(signed).key, key))
      findings.add('record_malformed', 'batches', key, 'this is not the batch that its key names');
    else if (isUnordered(signed, ordered) && !(await isSigned(signed, ordered)))
      findings.add('record_malformed', 'batches', key, 'its author has not signed this batch');
  }
}

/** A batch from its record, or null when it is none. */
export function signedBatch(value: Uint8Array): SignedBatch | null {
  const signed = decodeSignedBatch(value);
  const batch = signed === null ? null : decodeBatch(signed.bytes);
  return signed === null || batch === null ? null : { ...signed, batch, digest: batchDigest(signed.bytes) };
}

/** Whether a batch is of the last final epoch, past what the last final block orders. */
export function isUnordered({ batch }: SignedBatch, { final, last }: Pick<Ordered, 'final' | 'last'>): boolean {
  if (final === null || batch.epoch !== final.epoch) return false;
  const point = last?.header.epoch === final.epoch ? last.header.cut[batch.author] : undefined;
  if (point === undefined || batch.incarnation !== point.incarnation)
    return batch.incarnation >= (point?.incarnation ?? 0);
  return batch.number > point.number;
}

async function isSigned(
  { batch, bytes, signature }: SignedBatch,
  { network, sets, verifier }: Ordered,
): Promise<boolean> {
  const key = sets.get(batch.epoch)?.validators[batch.author]?.networkKey;
  return key !== undefined && (await verifier.batch({ network, key: fromHex(key), bytes, signature })).valid;
}

/** An entry of a folder's index names a receipt of its instruction. A backup's is made anew where it is restored. */
export async function auditIndex(records: SoundRecords, { get }: Records, findings: Findings): Promise<void> {
  for await (const [key, value] of records.scan('index')) {
    const place = decodePlace(value);
    if (place === null || key.length !== 32) {
      findings.add('record_malformed', 'index', key, 'this says of no instruction what became of it');
      continue;
    }
    if (place.type !== 'receipt' || get === undefined) continue;
    const packed = unlessDamaged(() => getReceipts({ get }, place.height) ?? null, untold);
    // Of a block that was let go there are none.
    if (packed === null) continue;
    const receipt = receiptAt(packed, place.position);
    if (receipt?.digest !== toHex(key) || receipt.time !== place.time)
      findings.add('receipts_differ', 'index', key, `there is no such receipt in block ${place.height}`);
  }
}

/**
 * Gives how many instructions wait in the outbox. No node answers for one of another network, nor for one that is issued
 * later than it knows the time to be: such would stand in a participant's lane until then.
 */
export async function auditOutbox(
  records: SoundRecords,
  { network, issuedMsMax }: { readonly network: NetworkId; readonly issuedMsMax: number },
  findings: Findings,
): Promise<number> {
  const waiting = new Set<string>();
  for await (const [key, item] of records.scan('outbox')) {
    const read = decodeItem(item);
    if (!read.ok) findings.add('record_malformed', 'outbox', key, 'this is no instruction');
    else if (!isSame(putOutbox(read.instruction.digest, item).key, key))
      findings.add('record_malformed', 'outbox', key, 'this is not the instruction that its key names');
    else if (read.instruction.payload.network !== network)
      findings.add('other_network', 'outbox', key, 'it is an instruction of another network');
    else if (read.instruction.issuedMs > issuedMsMax)
      findings.add('record_malformed', 'outbox', key, 'it is issued later than now by the clock here');
    else waiting.add(read.instruction.digest);
  }
  return waiting.size;
}
