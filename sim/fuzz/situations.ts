/**
 * What a long run must have met at least once, each in a sentence: a fault that is never met is never survived. A name
 * that the world reports and this list does not have is a mistake of the list.
 */
import { RESULT_CODES, type ResultCode } from '../../ledger/codes.js';
import { LIES } from '../byzantine/lies.js';
import { CRASH_POINTS } from '../process.js';

const NAMED: Readonly<Record<string, string>> = {
  restart: 'a node started again from its disk',
  all_down: 'every node was down at once',
  outage: 'every node was down for hours',
  crash_before_sync: 'the power failed while votes or batches were being synced',
  crash_between_sync_and_send: 'a node ended when its votes or batches were durable, before it had sent them',
  crash_in_final_write: 'the power failed while final blocks were being written',
  torn_write: 'a write was torn, and so lost with all after it',
  disk_full: 'a node ended because its disk was full',
  slow_sync: 'a sync took many times as long as usual',
  clock_jump: 'the clock of a node was set',
  partition_one_way: 'a node heard another that did not hear it',
  partition_partial: 'two nodes did not hear each other, and both heard a third',
  partition_full: 'two nodes did not hear each other, nor any third that both heard',
  slow_link: 'frames waited for each other on a slow link',
  frame_lost: 'a frame was lost',
  frame_duplicated: 'a frame came twice',
  frame_reordered: 'a frame was overtaken by a later one',
  lie_twins: 'two machines of one key talked to different peers',
  triggers_left_over: 'as much lapsed in one block as may',
  nullification: 'a view ended without a block',
  block_asked: 'a node asked for a block it knew by name only',
  batches_asked: 'a node asked for batches that a block orders',
  certificates_asked: 'a node asked for certificates that a proposal builds on',
  final_blocks_sent: 'a node that was behind was sent final blocks',
  blocks_final_together: 'one finalization made several blocks final',
  empty_block: 'a block ordered nothing',
  waited_at_door: 'an instruction waited at the door until it was issued',
  participant_accepted: "a bank's own node, which is no validator, answered 202",
  participant_crash_after_202: "a bank's own node ended before what it had answered 202 was ordered",
  participant_validates: 'a node that only followed became a validator',
  epoch_change: 'an epoch began with another set of validators',
  two_epochs_fetched: 'a node that was two changes of the set behind fetched its way to the last',
  epoch_end_crash: 'a node ended soon after the last block of an epoch',
  standby_took_over: 'an epoch began without a validator that was down',
  removed_validator_follows: 'a validator was not in the set any more, and followed',
  snapshot_installed: 'a node that was far behind went on from a snapshot',
  vote_log_missing: 'a node found that its data folder was lost, and voted with that key no more',
  vote_log_rolled_back: 'a node found that its data folder was an old copy, and voted with that key no more',
  vote_key_retired: 'a node that had found so was started again',
  record_mended: 'a damaged record came back from peers',
  blocks_pruned: 'a node had let go of old blocks',
  settled_from_queue: 'a settlement waited in the queue, and settled',
  part_settled_from_queue: 'a part of a settlement waited in the queue, and settled',
  lapsed_from_queue: 'a settlement waited in the queue in vain',
  cancelled_from_queue: 'a settlement was cancelled in the queue',
  settled_from_lock: 'what was held settled by its preimage',
  lapsed_from_lock: 'what was held was given back at the end of its lock',
  cancelled_from_lock: 'what was held was given back by all its parties',
  evidence: 'an honest node saw two votes of a liar that contradict each other',
};

/** What a seed is too short for, or its workload does not do: met now and then, or never. */
const RARE: ReadonlySet<string> = new Set([
  // Sixteen mebibytes wait on a link.
  'queue_overflow',
  ...(
    [
      // Thousands of open settlements, or of consents that wait.
      'too_many_open',
      'queue_full',
      'too_many_waiting',
      'too_many_keys',
      // Of a change of validators: what needs two at once, or another's.
      'unknown_change',
      'already_ready',
      'change_empty',
      'key_in_use',
    ] satisfies ResultCode[]
  ).map((code) => `outcome_${code}`),
]);

const all: readonly (readonly [string, string])[] = [
  ...Object.entries(NAMED),
  ...CRASH_POINTS.map(
    (point) => [`crash_at_${point.replace('.', '_')}`, `a node ended at a call of ${point}`] as const,
  ),
  ...[...LIES].map(([name, { does }]) => [`lie_${name}`, `a validator ${does}`] as const),
  ...RESULT_CODES.map((code) => [`outcome_${code}`, `an instruction came to ${code}`] as const),
];

/** Each with its sentence. */
export const SITUATIONS: ReadonlyMap<string, string> = new Map(all.filter(([name]) => !RARE.has(name)));

/** Whether a situation is one of those that a long run must meet, or one that it may. */
export const isListed = (name: string): boolean => SITUATIONS.has(name) || RARE.has(name);
