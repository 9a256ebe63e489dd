/** Bugs in the replica: what is written when, what is said when, what is asked again, and what a restart brings back. */
import type { Edit, Mutant } from './mutant.js';

const inDecisions = (find: string, replace: string): Edit => ({ file: 'node/replica/decisions.ts', find, replace });
const inReplica = (find: string, replace: string): Edit => ({ file: 'node/replica/replica.ts', find, replace });
const inChain = (find: string, replace: string): Edit => ({ file: 'node/replica/chain.ts', find, replace });
const inWrite = (find: string, replace: string): Edit => ({ file: 'node/replica/finalwrite.ts', find, replace });
const inFetch = (find: string, replace: string): Edit => ({ file: 'node/replica/fetch.ts', find, replace });
const inAdmission = (find: string, replace: string): Edit => ({ file: 'node/replica/admission.ts', find, replace });
const inInbox = (find: string, replace: string): Edit => ({ file: 'node/replica/inbox.ts', find, replace });

const SYNC = 'const sync = votes.length > 0 || decided.batches.length > 0 ||';
/** Nodes execute in the order in which batches arrived, so that their results differ. */
const ARRIVAL_ORDER = inChain(
  'const items = lanes.map((batches) => batches.flatMap((held) => held.items));',
  'const items = lanes.map((batches) => [...batches].sort((a, b) => a.sinceMs % 7 - b.sinceMs % 7).flatMap((held) => held.items));',
);

export const REPLICA_MUTANTS: readonly Mutant[] = [
  {
    name: 'vote_sync_forgotten',
    breaks: 'a vote is synced before it is sent',
    edits: [inDecisions(SYNC, 'const sync = decided.batches.length > 0 ||')],
  },
  {
    name: 'batch_sync_forgotten',
    breaks: 'a batch is synced before it is sent, acknowledged or told as held',
    edits: [inDecisions(SYNC, 'const sync = votes.length > 0 || own === null &&')],
  },
  {
    name: 'spoken_before_written',
    breaks: 'nothing is said before what it rests on is durable',
    edits: [inDecisions('await store.write(decided.operations', 'void store.write(decided.operations')],
  },
  {
    name: 'final_write_unsynced',
    breaks: 'what is told as final is durable',
    edits: [
      inReplica(
        '.write([...pruned, ...left, ...operations], { sync: true })',
        '.write([...pruned, ...left, ...operations], { sync: false })',
      ),
    ],
  },
  {
    name: 'vote_log_pruned_too_early',
    breaks: 'votes are kept until their view is final',
    edits: [inReplica('this.#log.prune(this.chain.pointer.view)', 'this.#log.prune(this.core.view)')],
  },
  {
    name: 'accepted_before_durable',
    breaks: 'a 202 says that the instruction is durable',
    edits: [inAdmission('const durable = await pending.durable;', 'const durable = pending.bytes.length > 0;')],
  },
  {
    name: 'accepted_while_stopping',
    breaks: 'what is in no batch when a node stops was never accepted',
    edits: [inAdmission('pending.settle(false);', 'pending.settle(true);')],
  },
  {
    name: 'own_batches_lost_on_restart',
    breaks: 'an author goes on from the batches it made before a restart',
    edits: [
      inReplica('for (const held of recovered.batches) {', 'for (const held of recovered.batches.slice(0, 0)) {'),
    ],
  },
  {
    name: 'accepted_unknown_after_restart',
    breaks: 'what was accepted and is not ordered yet is pending after a restart',
    edits: [inReplica('this.admission.restore(held.items);', 'this.admission.restore(held.items.slice(0, 0));')],
  },
  {
    name: 'batch_signature_unchecked',
    breaks: "a batch belongs to a lane by its author's signature",
    edits: [
      inInbox(
        "if (!valid) this.#deps.bus.punish(from, 'a batch that its author did not sign');",
        "if (!valid && digest.length === 0) this.#deps.bus.punish(from, 'a batch that its author did not sign');",
      ),
    ],
  },
  {
    name: 'instruction_signature_unchecked',
    breaks: 'a signature that does not hold counts for nothing, whoever put the instruction into a lane',
    edits: [
      {
        file: 'node/replica/facts.ts',
        find: 'item.signed.get(kid) === true && keyOf(kid) ? [kid] : [],',
        replace: 'item.signed.has(kid) && keyOf(kid) ? [kid] : [],',
      },
    ],
  },
  {
    name: 'lane_bounds_unchecked',
    breaks: 'memory for a lane is bounded, whatever its author sends',
    edits: [inInbox('const isWanted = lanes.isWanted(batch.author, batch);', 'const isWanted = true;')],
  },
  {
    name: 'requests_never_repeated',
    breaks: 'what is asked for is asked again until it comes',
    edits: [
      inFetch(
        'if (last !== undefined && now - last.atMs < everyMs) return null;',
        'if (last !== undefined) return null;',
      ),
      inFetch('if (now - atMs > 20 * deltaMs) this.#asked.delete(name);', 'if (now < atMs) this.#asked.delete(name);'),
    ],
  },
  {
    name: 'batches_never_sent_again',
    breaks: 'an author sends its batches until all hold them',
    edits: [
      inFetch('.filter((held) => now - held.sinceMs >= waitMs);', '.filter((held) => now + waitMs < held.sinceMs);'),
    ],
  },
  {
    name: 'catching_up_never_asked',
    breaks: 'a node that is behind asks for the final blocks it lacks',
    edits: [inFetch('if (ahead.length > 0 && (stands', 'if (ahead.length > deltaMs && (stands')],
  },
  {
    name: 'executed_on_another_branch',
    breaks: "a block is executed on its parent's state",
    edits: [
      inChain(
        'applyBlock(parent.state, { height, time, proposer }, lanesOrdered)',
        'applyBlock((this.#final.executed ?? parent).state, { height, time, proposer }, lanesOrdered)',
      ),
    ],
  },
  {
    name: 'executed_in_order_of_arrival',
    breaks: 'the order of execution is the same on every node',
    edits: [ARRIVAL_ORDER],
  },
  {
    name: 'divergence_unnoticed',
    breaks: 'a node whose result is not the certified one stops',
    edits: [
      ARRIVAL_ORDER,
      inChain('if (executed.root !== ballot.root) {', 'if (executed.root === null) {'),
      {
        file: 'protocol/bft/core.ts',
        find: 'if (round.applied !== null && round.applied !== ballot.root) {',
        replace: 'if (round.applied === null && round.applied === ballot.root) {',
      },
      {
        file: 'protocol/bft/core.ts',
        find: 'if (differing <= faultsMax(core.config.n)) return false;',
        replace: 'if (differing <= core.config.n) return false;',
      },
    ],
    besides: ['halted'],
  },
  {
    name: 'halted_and_still_voting',
    breaks: 'a node that has halted casts no vote',
    edits: [ARRIVAL_ORDER, inReplica('return !this.#stopped && this.halted === null;', 'return !this.#stopped;')],
    besides: ['halted', 'stalled'],
  },
  {
    name: 'result_root_without_parent',
    breaks: "a result root holds its parent's",
    edits: [
      inChain(
        'resultRoot(parent.root, applied.receiptsRoot, applied.stateRoot)',
        'resultRoot(applied.stateRoot, applied.receiptsRoot, applied.stateRoot)',
      ),
    ],
  },
  {
    name: 'proof_of_another_root',
    breaks: 'a bundle proves its receipt under the root of its own block',
    edits: [
      {
        file: 'node/replica/service.ts',
        find: 'stateRoot: record.stateRoot },',
        replace: 'stateRoot: this.#parts.replica.chain.final.state.root },',
      },
    ],
  },
  {
    name: 'ids_not_stored',
    breaks: 'used ids are remembered past the commit of their block',
    edits: [
      inWrite(
        "for (const { key, value } of changes.ids) operations.push({ type: 'put', table: 'ids', key, value });",
        '',
      ),
    ],
  },
  {
    name: 'deletions_not_stored',
    breaks: 'what leaves the state leaves the disk',
    edits: [
      inWrite(
        "value === null ? { type: 'delete', table: 'state', key } :",
        "value === null ? { type: 'delete', table: 'index', key } :",
      ),
    ],
  },
  {
    name: 'end_without_a_note',
    breaks: 'the end of what was ordered without a receipt is known after a restart',
    edits: [
      inChain('...endsWithoutTrace(blocks, store, (digest, lane) => lane === lanes.self || isOwed(digest)),', ''),
    ],
  },
];
