/** Lies of a voter: two votes where there is one, votes for anything, for nothing, or held back; roots that are wrong. */

import { writeVote } from '../../protocol/block.js';
import { Writer } from '../../protocol/codec.js';
import type { Message } from '../../protocol/envelope.js';
import { VIEWS_AHEAD_MAX } from '../../protocol/limits.js';
import type { Ballot, BlockId, Root, View, Vote } from '../../protocol/types.js';
import { rubbishHash } from './forge.js';
import type { Instead, Liar, Lie, Said } from './liar.js';

/** The liar's own vote, if that is what goes out. A leader's first vote goes with its proposal and is not among these. */
const ownVote = (liar: Liar, { message }: Said): Vote | null =>
  message.type === 'vote' && liar.isOwnVote(message.vote) ? message.vote : null;

const cast = (liar: Liar, name: string, ballot: Ballot): Promise<Vote> =>
  liar.choice(`vote/${name}/${ballot.kind}/${ballot.view}`, () => liar.vote(ballot));

const saying = (...votes: readonly Vote[]): Instead => votes.map((vote): Message => ({ type: 'vote', vote }));

/** Another block of the view when its leader lied too; else one that nobody ever made. */
function otherBlock(liar: Liar, view: View, block: BlockId | null): BlockId {
  const other = liar.overheard.proposals(view).find(({ id }) => id !== block)?.id;
  return other ?? liar.choice(`block/${view}`, () => rubbishHash(liar.random) as BlockId);
}

const otherRoot = (liar: Liar, view: View): Root => liar.choice(`root/${view}`, () => rubbishHash(liar.random) as Root);

/** The same signature by another vote never counts twice: what is said once of a ballot is not said again. */
function onceFor(liar: Liar, ballot: Ballot): boolean {
  const name = `echo/${ballot.kind}/${ballot.view}/${ballot.block}/${ballot.root}`;
  let isFirst = false;
  liar.choice(name, () => {
    isFirst = true;
    return true;
  });
  return isFirst;
}

async function tellAll(liar: Liar, ballot: Ballot, name: string): Promise<void> {
  const vote = await liar.vote(ballot);
  liar.sendAll('consensus', { type: 'vote', vote });
  liar.met(name);
}

export const VOTING: Readonly<Record<string, Lie>> = {
  notarizes_two_blocks: {
    does: 'votes for the proposal to some, and for another block of the view to others',
    rule: 'In a view at most one block is notarized; the two votes are evidence',
    speak: async (liar, say) => {
      const own = ownVote(liar, say);
      if (own?.ballot.kind !== 'notarize' || !liar.isLiedTo(`notarize/${own.ballot.view}`, say.to)) return null;
      const { view, block } = own.ballot;
      liar.met('notarizes_two_blocks');
      return saying(
        await cast(liar, 'other', { kind: 'notarize', view, block: otherBlock(liar, view, block), root: null }),
      );
    },
  },
  finalizes_and_nullifies: {
    does: 'nullifies each view that it finalizes, to some of its peers or to all',
    rule: 'If a block is final in v, v is not nullified; finalize beside nullify is evidence',
    speak: async (liar, say) => {
      const own = ownVote(liar, say);
      if (own?.ballot.kind !== 'finalize') return null;
      const { view } = own.ballot;
      const nullify = await cast(liar, 'beside', { kind: 'nullify', view, block: null, root: null });
      liar.met('finalizes_and_nullifies');
      return liar.isLiedTo(`finalize/${view}`, say.to) ? saying(nullify) : saying(own, nullify);
    },
  },
  finalizes_two_roots: {
    does: 'votes the same block final with one root to some and another root to others',
    rule: 'Two final blocks lie on one chain, and each has one root; f other roots halt nobody',
    speak: async (liar, say) => {
      const own = ownVote(liar, say);
      if (own?.ballot.kind !== 'finalize' || !liar.isLiedTo(`roots/${own.ballot.view}`, say.to)) return null;
      const { view, block } = own.ballot;
      liar.met('finalizes_two_roots');
      return saying(await cast(liar, 'root', { kind: 'finalize', view, block, root: otherRoot(liar, view) }));
    },
  },
  wrong_root: {
    does: 'finds a wrong result of every block, and says so to all',
    rule: 'A node halts only when f + 1 others, or a quorum, found another root',
    speak: async (liar, say) => {
      const own = ownVote(liar, say);
      if (own?.ballot.kind !== 'finalize') return null;
      const { view, block } = own.ballot;
      liar.met('wrong_root');
      return saying(await cast(liar, 'root', { kind: 'finalize', view, block, root: otherRoot(liar, view) }));
    },
  },
  votes_for_everything: {
    does: 'signs every ballot and every proposal that it hears of, unchecked',
    rule: 'Why it is safe: a quorum is q, and f who sign anything are not enough',
    hear: (liar, _, message) => {
      const ballot =
        message.type === 'vote'
          ? message.vote.ballot
          : message.type === 'proposal'
            ? message.proposal.vote.ballot
            : null;
      if (ballot !== null && onceFor(liar, ballot)) void tellAll(liar, ballot, 'votes_for_everything');
      return true;
    },
  },
  nullifies_everything: {
    does: 'nullifies the current view, the next, and one far ahead, whether there is work or not',
    rule: 'Work: liars alone, being f, make nobody work by nullifying; views ahead are bounded',
    act: async (liar) => {
      for (const ahead of [0, 1, liar.random.between(2, 2 * VIEWS_AHEAD_MAX)]) {
        const ballot: Ballot = { kind: 'nullify', view: (liar.view + ahead) as View, block: null, root: null };
        await tellAll(liar, ballot, 'nullifies_everything');
      }
    },
  },
  votes_of_a_stranger: {
    does: 'sends votes of a signer that is not in the set, of another epoch, or signed by the wrong key',
    rule: 'Votes and certificates: tag, network, epoch, set, ballot are signed; who breaks that is punished',
    act: async (liar) => {
      const seat = liar.seat();
      if (seat === null) return;
      const ballot: Ballot = { kind: 'nullify', view: liar.view, block: null, root: null };
      const own = await liar.vote(ballot);
      const bare = new Writer();
      writeVote(bare, own);
      const votes: readonly Vote[] = [
        { ...own, signer: seat.set.validators.length as typeof own.signer },
        { ...own, signer: ((own.signer + 1) % seat.set.validators.length) as typeof own.signer },
        { ...own, signature: await liar.sign(bare.finish()) },
      ];
      liar.send(liar.random.pick(liar.others()), 'consensus', { type: 'vote', vote: liar.random.pick(votes) });
      liar.met('votes_of_a_stranger');
    },
  },
  withholds_votes: {
    does: 'tells its votes of a view to some of its peers only, or to none',
    rule: 'A quorum is n - f: f who stay silent are not needed',
    speak: (liar, say) => {
      const own = ownVote(liar, say);
      if (own === null) return null;
      const isAll = liar.choice(`mute/${own.ballot.view}`, () => liar.random.chance(400));
      if (!isAll && !liar.isLiedTo(`votes/${own.ballot.view}`, say.to)) return null;
      liar.met('withholds_votes');
      return [];
    },
  },
};
