/** Lies of a validator to nodes that are none, and about how one epoch leads to the next. */
import { validatorSet } from '../../protocol/block.js';
import type { Finalization, HandOver } from '../../protocol/certificate.js';
import type { Statement } from '../../protocol/envelope.js';
import { decodeItem } from '../../protocol/instruction.js';
import type { BlockId, Epoch, Height, PeerKey, Root, ValidatorIndex } from '../../protocol/types.js';
import { rubbishHash } from './forge.js';
import type { Liar, Lie, Seat } from './liar.js';

const rubbishRoot = (liar: Liar): Root => rubbishHash(liar.random) as Root;

/** A next set in which the liar has every seat, handed over to by a finalization of something else. */
async function forgedHandOver(liar: Liar, { set, self }: Seat): Promise<HandOver | null> {
  const real = liar.overheard.certificates.find(({ ballot }) => ballot.kind === 'finalize');
  const own = set.validators[self];
  if (real === undefined || own === undefined) return null;
  const next = validatorSet(
    (set.epoch + 1) as Epoch,
    set.validators.map(() => own),
  );
  const signature = await liar.sign(liar.random.bytes(100));
  return {
    kind: 'change',
    set: next,
    block: rubbishHash(liar.random) as BlockId,
    finalization: real as Finalization,
    opening: { parentResultRoot: rubbishRoot(liar), receiptsRoot: rubbishRoot(liar), stateRoot: rubbishRoot(liar) },
    siblings: [rubbishHash(liar.random)],
    statements: next.validators.map((_, i) => ({ signer: i as ValidatorIndex, signature })),
  };
}

async function forgedStatement(liar: Liar, { set, self }: Seat): Promise<Statement> {
  const signer = liar.random.pick([self, (self + 1) % set.validators.length, set.validators.length]) as ValidatorIndex;
  const signature = await liar.sign(liar.random.bytes(100));
  return { block: rubbishHash(liar.random) as BlockId, root: rubbishRoot(liar), signer, signature };
}

/** Says that it has taken what was submitted, in whatever state that is. */
function claim(liar: Liar, to: PeerKey, items: readonly Uint8Array[]): void {
  const digests = items.flatMap((item) => {
    const read = decodeItem(item);
    return read.ok ? [read.instruction.digest] : [];
  });
  liar.send(to, 'sync', { type: 'taken', digests });
}

export const JOINING: Readonly<Record<string, Lie>> = {
  drops_submissions: {
    does: 'tells a node without a lane that its instructions are durable in its own, and drops them',
    rule: 'Messages, submit: a participant keeps what it answered 202 until it is final, and turns to another validator',
    hear: (liar, from, message) => {
      if (message.type !== 'submit') return true;
      claim(liar, from, message.items);
      liar.met('drops_submissions');
      return false;
    },
  },
  ignores_submissions: {
    does: 'takes nothing of a node without a lane, and says nothing',
    rule: 'Messages, submit: a participant turns to another validator when one is silent',
    hear: (liar, _, message) => {
      if (message.type !== 'submit') return true;
      liar.met('ignores_submissions');
      return false;
    },
  },
  ignores_followers: {
    does: 'pushes nothing to who follows, and answers none of its requests',
    rule: 'Fetching: a request is made again every Δ, to another peer each time',
    hear: (liar, from, message) => {
      const isFollower = liar.seat()?.set.validators.every(({ networkKey }) => networkKey !== from) ?? false;
      if (!isFollower || message.type === 'submit') return true;
      liar.met('ignores_followers');
      return false;
    },
  },
  forged_hand_overs: {
    does: 'tells of an epoch to come in which it has every seat, and states things for others',
    rule: 'Hand-over: a quorum of the old set finalized a state that names the new one, and a quorum of that one spoke',
    act: async (liar) => {
      const seat = liar.seat();
      if (seat === null) return;
      const to = liar.random.pick(liar.others());
      liar.send(to, 'consensus', { type: 'statement', statement: await forgedStatement(liar, seat) });
      const handOver = await forgedHandOver(liar, seat);
      if (handOver === null) return;
      liar.send(to, 'sync', { type: 'handOver', handOver });
      liar.met('forged_hand_overs');
    },
  },
  unasked_receipts: {
    does: 'says unasked that it has taken instructions which nobody gave it, and follows as if it were no validator',
    rule: 'Messages, taken: it is believed of nothing but what was given to its sender',
    act: (liar) => {
      const to = liar.random.pick(liar.others());
      claim(liar, to, liar.overheard.items);
      liar.send(to, 'sync', { type: 'follow', height: 0 as Height, push: true });
      liar.met('unasked_receipts');
    },
  },
};
