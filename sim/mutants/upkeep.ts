/** Bugs in what outlasts a process and an epoch: the mark, the outbox, the change of the set. */
import type { Edit, Mutant } from './mutant.js';

const inMark = (find: string, replace: string): Edit => ({ file: 'node/replica/mark.ts', find, replace });
const inOwnLane = (find: string, replace: string): Edit => ({ file: 'node/replica/ownlane.ts', find, replace });

export const UPKEEP_MUTANTS: readonly Mutant[] = [
  {
    name: 'old_log_signs',
    breaks: 'a vote key whose log is older than what the key has signed signs no more',
    edits: [inMark('if ((count ?? 0) >= known.count) return null;', 'if ((count ?? 0) >= 0) return null;')],
  },
  {
    name: 'retired_key_signs',
    breaks: 'a vote key that was retired is retired for good',
    edits: [inMark("if (known.isRetired) return 'vote_key_retired';", '')],
  },
  {
    name: 'old_lane_goes_on',
    breaks: 'an author that lost its lane goes on under a later incarnation',
    edits: [
      inOwnLane('this.isFresh = incarnation !== null && tip.incarnation < incarnation;', 'this.isFresh = false;'),
    ],
  },
  {
    name: 'epoch_end_forgets',
    breaks: 'what was answered 202 and not ordered when the epoch ended is carried over',
    edits: [
      {
        file: 'node/replica/succession.ts',
        find: 'return old.unordered().flatMap((item) => outbox.put(item))',
        replace: 'return old.unordered().slice(0, 0).flatMap((item) => outbox.put(item))',
      },
    ],
  },
  {
    name: 'outbox_unread_at_start',
    breaks: 'what a node without a lane has answered 202 for outlasts its process',
    edits: [
      {
        file: 'node/replica/outbox.ts',
        find: 'if (read.ok) this.#keep({',
        replace: 'if (read.ok && stored.length < 0) this.#keep({',
      },
    ],
  },
  {
    name: 'taken_believed',
    breaks: 'that a validator says it has taken something is believed for a while only',
    edits: [
      {
        file: 'node/replica/courier.ts',
        find: "if (trip.state !== 'unsent' && now < trip.dueMs) continue;",
        replace: "if (trip.state === 'taken' || (trip.state !== 'unsent' && now < trip.dueMs)) continue;",
      },
    ],
  },
];
