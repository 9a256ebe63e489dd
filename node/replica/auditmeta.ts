/**
 * The check of the table `meta`: each record is one that a node writes there, and says nothing that blocks and certificates
 * contradict. What they cannot show is bounded, so that a false one stops no node.
 */
import { type HandOver, verifyHandOver, verifyTaken } from '../../protocol/certificate.js';
import { decode } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import { decodeHandOver } from '../../protocol/handover.js';
import { INCARNATION_BELIEVED_MAX } from '../../protocol/limits.js';
import type { Restart } from '../../protocol/restart.js';
import type { Epoch, ValidatorSet } from '../../protocol/types.js';
import type { SignatureCheck, Verifier } from '../ports.js';
import type { Epochs } from './auditchain.js';
import type { Findings, SoundRecords } from './findings.js';
import { DATA_FORMAT, decodeFinal, decodeRestored, type FinalPointer, metaNameOf } from './records.js';

/** What the table says, as far as each record is one: what it says is still to be judged. */
export interface MetaAudit {
  readonly final: FinalPointer | null;
  readonly floor: number;
  readonly handOvers: ReadonlyMap<number, HandOver>;
}

/** Reads all records of the table. */
export async function auditMeta(
  records: SoundRecords,
  { network, validators }: Pick<Genesis, 'network' | 'validators'>,
  findings: Findings,
): Promise<MetaAudit> {
  const handOvers = new Map<number, HandOver>();
  const numbers = new Map<string, number>();
  let pointer: Uint8Array | null = null;
  for await (const [key, value] of records.scan('meta')) {
    const named = metaNameOf(key);
    const number = decode(value, (reader) => (named?.name === 'incarnation' ? reader.u32() : reader.u64()));
    const malformed = (detail: string): void => findings.add('record_malformed', 'meta', key, detail);
    switch (named?.name) {
      case 'final':
        pointer = value;
        break;
      case 'handOver': {
        const handOver = decodeHandOver(value);
        const epoch = decode(named.rest, (reader) => reader.u64());
        if (handOver === null || handOver.set.epoch !== epoch) malformed('this is not the hand-over of that epoch');
        else if (epoch <= validators.epoch) malformed('the first epoch begins with the genesis file, by no hand-over');
        else handOvers.set(epoch, handOver);
        break;
      }
      case 'restored':
        if (decodeRestored(value) === null) malformed('this does not say which backup was restored');
        break;
      case 'count':
      case 'floor':
      case 'incarnation':
      case 'surveyed':
        if (number === null) malformed('this is no number');
        else numbers.set(named.name, number);
        break;
      default:
        malformed('no node writes such a record');
    }
  }
  const final = finalOf(pointer, network, findings);
  judgeNumbers(numbers, final, findings);
  return { final, floor: numbers.get('floor') ?? 1, handOvers };
}

function finalOf(value: Uint8Array | null, network: string, findings: Findings): FinalPointer | null {
  if (value === null) {
    findings.add('no_ledger', 'meta', 'final', 'nothing says which block was final last');
    return null;
  }
  const [format = 0] = value;
  const final = decodeFinal(value);
  if (final === null) {
    const detail =
      format === DATA_FORMAT
        ? 'this names no block'
        : `the records have format ${format}, which this program does not read`;
    findings.add('record_malformed', 'meta', 'final', detail);
  } else if (final.network !== network) {
    const detail = `the ledger is of network ${final.network}, the genesis file of ${network}`;
    findings.add('other_network', 'meta', 'final', detail);
    return null;
  }
  return final;
}

/**
 * Nothing else says which incarnation the lane had, or whether the node was surveyed. So an incarnation is bounded with
 * room left, for a lane that has come to the last one never goes on; and a survey is of an epoch that has begun, for in
 * one that has not, it would keep every key of this node silent.
 */
function judgeNumbers(numbers: ReadonlyMap<string, number>, final: FinalPointer | null, findings: Findings): void {
  const incarnation = numbers.get('incarnation') ?? 0;
  if (incarnation > INCARNATION_BELIEVED_MAX) {
    const detail = `incarnation ${incarnation} is past ${INCARNATION_BELIEVED_MAX}, to which no lane comes`;
    findings.add('record_malformed', 'meta', 'incarnation', detail);
  }
  if (final === null) return;
  const floor = numbers.get('floor') ?? 1;
  if (floor < 1 || floor > Math.max(1, final.height)) {
    const detail = `nothing below height ${floor} is said to be kept, and the last final block is ${final.height}`;
    findings.add('record_malformed', 'meta', 'floor', detail);
  }
  const surveyed = numbers.get('surveyed') ?? 0;
  if (surveyed > final.epoch)
    findings.add('record_malformed', 'meta', 'surveyed', `epoch ${surveyed} cannot be surveyed yet`);
}

interface Parts {
  readonly genesis: Genesis;
  readonly verifier: Pick<Verifier, 'verify'>;
  readonly vouched: readonly Restart[];
}

/**
 * The sets from the genesis on, each shown by its hand-over, up to the last final block's. One more is a restart over that
 * very block: the authorities stand for the block, and their hand-over is written with it. Any other that comes later is
 * shown by nothing here, and counts for nothing.
 */
export async function auditEpochs(
  { final, handOvers: stored }: MetaAudit,
  { genesis, verifier, vouched }: Parts,
  findings: Findings,
): Promise<Epochs> {
  const { network, validators, authorities } = genesis;
  const sets = new Map<Epoch, ValidatorSet>([[validators.epoch, validators]]);
  const handOvers = new Map<Epoch, HandOver>();
  const next = final === null ? undefined : stored.get(final.epoch + 1);
  const last = next?.kind === 'restart' && next.block === final?.block ? next.set.epoch : (final?.epoch ?? 0);
  let set = validators;
  for (let epoch = validators.epoch + 1; epoch <= last; epoch++) {
    const handOver = stored.get(epoch);
    if (handOver === undefined) {
      findings.add('record_missing', 'meta', `epoch ${epoch}`, 'how this epoch began is not here');
      break;
    }
    const owed: SignatureCheck[] = [];
    // The new set's statements come a moment after it has taken over.
    const verify = handOver.statements.length === 0 ? verifyTaken : verifyHandOver;
    const trust = { network, set, authorities, vouched };
    const verdict = verify(handOver, trust, (check) => owed.push(check) > 0);
    const held = await verifier.verify(owed);
    if (!verdict.ok) findings.add('unproven_epoch', 'meta', `epoch ${epoch}`, `${verdict.code}: ${verdict.detail}`);
    else if (!held.every((holds) => holds))
      findings.add('unproven_epoch', 'meta', `epoch ${epoch}`, 'a signature of its hand-over does not hold');
    set = handOver.set;
    sets.set(set.epoch, set);
    handOvers.set(set.epoch, handOver);
  }
  return { network, sets, handOvers };
}
