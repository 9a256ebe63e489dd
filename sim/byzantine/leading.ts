/** Lies of a leader: about the block that it proposes, or when, or to whom. */
import { laneStart } from '../../protocol/block.js';
import { VIEWS_AHEAD_MAX } from '../../protocol/limits.js';
import type { BlockHeader, Cut, Height, Proposal, TimestampMs, View } from '../../protocol/types.js';
import { withOneAhead } from './authoring.js';
import { HEADER_LIES, type HeaderLie, PROPOSAL_LIES, rival } from './forge.js';
import type { Instead, Liar, Lie, Said } from './liar.js';

/** The liar's own proposal, if that is what goes out. */
const ownProposal = (liar: Liar, { message }: Said): Proposal | null =>
  message.type === 'proposal' && liar.isOwn(message.proposal) ? message.proposal : null;

const said = (...proposals: readonly Proposal[]): Instead =>
  proposals.map((proposal) => ({ type: 'proposal', proposal }));

/** The parent as the liar saw it; before the first block, what the genesis fixes. */
function parentOf(liar: Liar, header: BlockHeader): BlockHeader {
  const known = liar.overheard.header(header.parent);
  if (known !== undefined) return known;
  const cut: Cut = header.cut.map(() => laneStart(0));
  const time = (header.time - 1) as TimestampMs;
  return { ...header, view: header.parentView, height: (header.height - 1) as Height, cut, time };
}

/** A proposal signed once for a purpose and then told again. */
const forged = (liar: Liar, name: string, { header }: Proposal, make: (header: BlockHeader) => BlockHeader) =>
  liar.choice(`${name}/${header.epoch}/${header.view}/${header.parent}`, () => liar.propose(make(header)));

/** Its own proposal with something wrong in it: the same to all its peers. */
async function wronged(
  liar: Liar,
  say: Said,
  name: string,
  lies: Readonly<Record<string, HeaderLie>>,
): Promise<Instead> {
  const own = ownProposal(liar, say);
  if (own === null) return null;
  const parent = parentOf(liar, own.header);
  const picked = liar.choice(`${name}/${own.header.view}`, () => liar.inTurn(lies));
  liar.met(name);
  return said(await forged(liar, picked.name, own, (header) => picked.lie(header, parent, liar.random)));
}

const BURST = 16;

export const LEADING: Readonly<Record<string, Lie>> = {
  equivocating_leader: {
    does: 'shows some of its peers another valid block, each with its notarize vote',
    rule: 'Consensus, notarize: the first proposal in a view, and one block only; two quorums meet in an honest node',
    speak: async (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null || !liar.isLiedTo(`leader/${own.header.view}`, say.to)) return null;
      liar.met('equivocating_leader');
      return said(await forged(liar, 'rival', own, (header) => rival(header)));
    },
  },
  two_faced_leader: {
    does: 'shows every peer both of two valid blocks, in another order each',
    rule: 'Consensus, notarize: the first proposal counts; the other vote is evidence',
    speak: async (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null) return null;
      const other = await forged(liar, 'rival', own, (header) => rival(header));
      liar.met('two_faced_leader');
      return liar.isLiedTo(`leader/${own.header.view}`, say.to) ? said(other, own) : said(own, other);
    },
  },
  dates_back: {
    does: 'times its blocks right after their parents, whatever the time is, and keeps the cut that it chose for the present',
    rule: 'Blocks: a block orders nothing that is issued after its time; voters refuse one that does',
    speak: async (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null) return null;
      const { time } = parentOf(liar, own.header);
      const proposal = await forged(liar, 'back', own, (header) => ({ ...header, time: (time + 1) as TimestampMs }));
      liar.met('dates_back');
      return said(proposal);
    },
  },
  orders_early: {
    does: 'puts what is issued in another century into its lane, and orders it',
    rule: 'Blocks: a block orders nothing that is issued after its time; voters refuse one that does',
    author: withOneAhead,
    speak: async (liar, say) => {
      const own = ownProposal(liar, say);
      const tip = own === null ? null : liar.lane.tip(own.header.epoch);
      if (own === null || tip === null || own.header.cut.some(({ digest }) => digest === tip.digest)) return null;
      const toTip = (cut: Cut): Cut => cut.map((point, lane) => (lane === own.header.proposer ? tip : point));
      liar.met('orders_early');
      return said(await forged(liar, 'early', own, (header) => ({ ...header, cut: toTip(header.cut) })));
    },
  },
  silent_leader: {
    does: 'never proposes',
    rule: 'Timers: the leader timer runs out, and who was not heard for 3n views is skipped',
    speak: (liar, say) => {
      if (ownProposal(liar, say) === null) return null;
      liar.met('silent_leader');
      return [];
    },
  },
  slow_leader: {
    does: 'proposes a little before, or a little after, the others give up',
    rule: 'Timers: nullify after notarize is allowed, after finalize never, so a view has one end',
    speak: (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null) return null;
      const tenths = liar.choice(`slow/${own.header.view}`, () =>
        liar.random.pick([15, 18, 19, 20, 21, 25, 29, 30, 31]),
      );
      liar.after((tenths * liar.parts.deltaMs) / 10, () => liar.send(say.to, say.purpose, say.message));
      liar.met('slow_leader');
      return [];
    },
  },
  proposal_to_few: {
    does: 'shows its proposal to some of its peers only',
    rule: 'Fetching: a notarized block is asked for by id, from all',
    speak: (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null || !liar.isLiedTo(`few/${own.header.view}`, say.to)) return null;
      liar.met('proposal_to_few');
      return [];
    },
  },
  bad_header: {
    does: 'proposes a block with one thing wrong in its header',
    rule: 'Blocks: a header is valid over its parent, or the view is nullified',
    speak: (liar, say) => wronged(liar, say, 'bad_header', HEADER_LIES),
  },
  proposal_of_others: {
    does: 'proposes a block of another epoch, of another network, in a view that is not its own or for another leader',
    rule: 'Messages: a proposal of who does not lead its view is punished',
    speak: (liar, say) => wronged(liar, say, 'proposal_of_others', PROPOSAL_LIES),
  },
  proposal_burst: {
    does: 'floods its peers with proposals of its view, and with one of a view to come that it leads',
    rule: 'Consensus: a second proposal of a view is kept only when a quorum stands behind it; views ahead are bounded',
    speak: async (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null) return null;
      const burst = await liar.choice(`burst/${own.header.view}`, () =>
        Promise.all(Array.from({ length: BURST }, (_, i) => liar.propose(rival(own.header, i + 2)))),
      );
      liar.met('proposal_burst');
      return said(own, ...burst);
    },
    act: async (liar) => {
      const { latest } = liar.overheard;
      const seat = liar.seat();
      if (latest === null || seat === null) return;
      const n = seat.set.validators.length;
      const turn = liar.view + 1 + ((((seat.self - (liar.view + 1)) % n) + n) % n);
      const view = (turn + n * liar.random.between(0, Math.ceil(VIEWS_AHEAD_MAX / n))) as View;
      const proposal = await liar.propose({ ...latest, view, proposer: seat.self });
      liar.sendAll('consensus', { type: 'proposal', proposal });
    },
  },
  censoring_leader: {
    does: 'never cuts the lane of one author',
    rule: 'Why it goes on: ordered by the first honest leader, and of any f + 1 views one has one',
    speak: async (liar, say) => {
      const own = ownProposal(liar, say);
      if (own === null) return null;
      const victim = liar.victim();
      const kept = parentOf(liar, own.header).cut[victim];
      if (kept === undefined || kept.digest === own.header.cut[victim]?.digest) return null;
      liar.met('censoring_leader');
      return said(
        await forged(liar, 'censored', own, (header) => ({
          ...header,
          cut: header.cut.map((point, i) => (i === victim ? kept : point)),
        })),
      );
    },
  },
};
