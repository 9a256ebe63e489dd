/** Lies that one check alone stands against: whatever else is looked at of them is as it should be. */

import { leaderOf } from '../../protocol/bft/core.js';
import { blockId } from '../../protocol/block.js';
import type { Message } from '../../protocol/envelope.js';
import {
  type Ballot,
  type BlockHeader,
  type Certificate,
  type Height,
  type Proposal,
  quorum,
  type Root,
  type TimestampMs,
  type ValidatorIndex,
  type View,
  type Vote,
} from '../../protocol/types.js';
import { rival, rubbishHash } from './forge.js';
import type { Liar, Lie } from './liar.js';

const isSame = (a: Ballot, b: Ballot): boolean =>
  a.kind === b.kind && a.view === b.view && a.block === b.block && a.root === b.root;

/** A certificate of its own signature alone, as often as a quorum has members. */
async function alone(liar: Liar, ballot: Ballot): Promise<Message | null> {
  const seat = liar.seat();
  if (seat === null) return null;
  const { signer, signature } = await liar.vote(ballot);
  const signatures = Array.from({ length: quorum(seat.set.validators.length) }, () => ({ signer, signature }));
  return { type: 'certificate', certificate: { ballot, signatures } };
}

/** The next block over one that is perhaps not even notarized, empty, in a view that another leads. */
function usurped(liar: Liar, { header, id }: Proposal): BlockHeader | null {
  const seat = liar.seat();
  const view = (header.view + 1) as View;
  if (seat === null || leaderOf(view, seat.set.validators.length) === seat.self) return null;
  return {
    ...header,
    view,
    parent: id,
    parentView: header.view,
    proposer: seat.self,
    height: (header.height + 1) as Height,
    time: (header.time + 1) as TimestampMs,
  };
}

/** What it heard of a ballot with its own voice: one signature less than it takes. */
async function short(liar: Liar, vote: Vote): Promise<Certificate | null> {
  const seat = liar.seat();
  if (seat === null) return null;
  const heard = liar.overheard.said.flatMap((message) =>
    message.type === 'vote' && isSame(message.vote.ballot, vote.ballot) ? [message.vote] : [],
  );
  const bySigner = new Map([...heard, vote, await liar.vote(vote.ballot)].map((each) => [each.signer, each.signature]));
  const most = quorum(seat.set.validators.length) - 1;
  if (bySigner.size < most) return null;
  const signatures = [...bySigner]
    .map(([signer, signature]) => ({ signer, signature }))
    .sort((a, b) => a.signer - b.signer)
    .slice(0, most);
  return { ballot: vote.ballot, signatures };
}

export const PLOTTING: Readonly<Record<string, Lie>> = {
  block_on_grandparent: {
    does: "proposes a block over its parent's parent, and says that the view of its parent is that one's",
    rule: 'Consensus, proposals: the parent is the block that was notarized in the parent view',
    speak: async (liar, { message }) => {
      if (message.type !== 'proposal' || !liar.isOwn(message.proposal)) return null;
      const { header } = message.proposal;
      const parent = liar.overheard.header(header.parent);
      if (parent === undefined || parent.height < 1) return null;
      const proposal = await liar.choice(`grandparent/${header.view}`, () =>
        liar.propose({ ...header, parent: parent.parent, height: parent.height }),
      );
      liar.met('block_on_grandparent');
      return [{ type: 'proposal', proposal }];
    },
  },
  block_past_its_parent: {
    does: "proposes a block over its parent's parent, and passes over the view of its parent as if that were nullified",
    rule: 'Consensus, proposals: every view between the parent view and its own is nullified',
    speak: async (liar, { message }) => {
      if (message.type !== 'proposal' || !liar.isOwn(message.proposal)) return null;
      const { header } = message.proposal;
      const skipped = liar.overheard.header(header.parent);
      if (skipped === undefined || skipped.height < 2) return null;
      const { parent, parentView, height } = skipped;
      const proposal = await liar.choice(`past/${header.view}`, () =>
        liar.propose({ ...header, parent, parentView, height }),
      );
      liar.met('block_past_its_parent');
      return [{ type: 'proposal', proposal }];
    },
  },
  usurping_leader: {
    does: 'proposes a valid block in the next view, which another leads, before that one can',
    rule: "Consensus, proposals: only a view's leader proposes in it",
    hear: (liar, _, message) => {
      if (message.type !== 'proposal') return true;
      const { proposal } = message;
      if (blockId(proposal.header) !== proposal.id) return true;
      const header = usurped(liar, proposal);
      if (header === null) return true;
      void liar
        .choice(`usurped/${header.view}/${header.parent}`, () => liar.propose(header))
        .then((own) => {
          liar.sendAll('consensus', { type: 'proposal', proposal: own });
          liar.met('usurping_leader');
        });
      return true;
    },
  },
  short_certificates: {
    does: 'makes certificates of the votes that it heard and its own, with one signature too few, before there are enough',
    rule: 'Votes and certificates: a certificate holds a quorum of signatures',
    hear: (liar, _, message) => {
      if (message.type !== 'vote' || liar.isOwnVote(message.vote)) return true;
      void short(liar, message.vote).then((certificate) => {
        if (certificate === null) return;
        liar.send(liar.random.pick(liar.others()), 'consensus', { type: 'certificate', certificate });
        liar.met('short_certificates');
      });
      return true;
    },
  },
  certificates_alone: {
    does: 'nullifies a view for some, and finalizes its block with another root for others, by its own signature many times',
    rule: 'Votes and certificates: each signer of a certificate counts once',
    hear: (liar, _, message) => {
      if (message.type !== 'proposal') return true;
      const { id: block, header } = message.proposal;
      const { view } = header;
      const ballots: readonly Ballot[] = [
        { kind: 'nullify', view, block: null, root: null },
        { kind: 'finalize', view, block, root: rubbishHash(liar.random) as Root },
      ];
      for (const ballot of ballots) {
        void alone(liar, ballot).then((certificate) => {
          if (certificate === null) return;
          liar.send(liar.random.pick(liar.others()), 'consensus', certificate);
          liar.met('certificates_alone');
        });
      }
      return true;
    },
  },
  blocks_finalized_alone: {
    does: 'sends another block in place of one that is proposed, as final, with its own signature for a quorum of members',
    rule: 'Fetching: blocks that a peer sends as final are final by their certificate alone',
    hear: (liar, _, message) => {
      const seat = liar.seat();
      if (message.type !== 'proposal' || seat === null) return true;
      const header = rival(message.proposal.header);
      const block = blockId(header);
      const ballot: Ballot = { kind: 'finalize', view: header.view, block, root: rubbishHash(liar.random) as Root };
      void liar.vote(ballot).then(({ signature }) => {
        const members = seat.set.validators.keys();
        const signatures = Array.from(members, (signer) => ({ signer: signer as ValidatorIndex, signature }));
        const certificate: Certificate = { ballot, signatures: signatures.slice(0, quorum(signatures.length)) };
        liar.send(liar.random.pick(liar.others()), 'sync', { type: 'final', headers: [header], certificate });
        liar.met('blocks_finalized_alone');
      });
      return true;
    },
  },
  votes_for_others: {
    does: 'nullifies the current view in the name of every validator',
    rule: "Votes and certificates: a vote counts only with its signer's signature",
    act: async (liar) => {
      const seat = liar.seat();
      if (seat === null) return;
      const own = await liar.vote({ kind: 'nullify', view: liar.view, block: null, root: null });
      const to = liar.random.pick(liar.others());
      for (const signer of seat.set.validators.keys())
        liar.send(to, 'consensus', { type: 'vote', vote: { ...own, signer: signer as Vote['signer'] } });
      liar.met('votes_for_others');
    },
  },
  lying_snapshots: {
    does: 'claims snapshots of blocks to come, and changes what it is asked for of snapshots and of stored records',
    rule: 'Snapshots: each chunk is checked against the certified root by itself, and asked of another when it is wrong',
    speak: (liar, { message }) => {
      if (message.type !== 'chunk') return null;
      liar.met('lying_snapshots');
      const bytes = message.bytes.slice();
      const at = liar.random.between(0, Math.max(0, bytes.length - 1));
      if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << liar.random.between(0, 7));
      return liar.random.pick<readonly Message[]>([
        [{ ...message, bytes }],
        [{ ...message, bytes: bytes.subarray(0, at) }],
        [{ ...message, parts: message.parts + 1 }],
        [{ ...message, bytes: liar.random.bytes(100) }],
        [],
      ]);
    },
    act: (liar) => {
      const height = ((liar.overheard.latest?.height ?? 0) + liar.random.between(1, 20_000)) as Height;
      const to = liar.random.pick(liar.others());
      liar.send(to, 'sync', { type: 'snapshot', height });
      const past = (liar.overheard.latest?.height ?? 0) + liar.random.between(-2, 2);
      if (past > 0) liar.send(to, 'sync', { type: 'gone', height: past as Height });
      const name = { kind: 'manifest', height } as const;
      liar.send(to, 'sync', { type: 'chunk', name, part: 0, parts: 1, bytes: liar.random.bytes(200) });
      liar.met('lying_snapshots');
    },
  },
};
