/** Lies of an author: about its lane, about what it holds of others', and in the items of its batches. */
import { batchDigest, decodeBatch, encodeBatch, laneStart } from '../../protocol/block.js';
import {
  BATCH_BYTES_MAX,
  BATCH_ITEMS_MAX,
  BLOCK_BATCHES_MAX,
  BLOCK_ITEMS_MAX,
  ITEM_BYTES_MAX,
  LANE_UNORDERED_BATCHES_MAX,
} from '../../protocol/limits.js';
import type { BatchDigest, Height } from '../../protocol/types.js';
import type { Random } from '../random.js';
import { datedAhead, HELD_LIES, ITEM_LIES, initiatorOf, rubbishHash } from './forge.js';
import type { Liar, Lie, Said } from './liar.js';
import type { LanePlan } from './liarlane.js';

const isOwnBatch = (liar: Liar, { message }: Said): boolean =>
  message.type === 'batch' && decodeBatch(message.bytes)?.author === liar.seat()?.self;

/** Bad items, made of each that its own banks sent and of some that it heard from others. */
function badItems(liar: Liar, own: readonly Uint8Array[]): Uint8Array[] {
  const { random, overheard } = liar;
  const heard = overheard.items.length === 0 ? [random.bytes(100)] : overheard.items;
  const picked = Array.from({ length: random.between(1, 6) }, () => random.pick(heard));
  return [...own, ...picked].map((item) => liar.inTurn(ITEM_LIES).lie(item, random));
}

const FULL_OF_LITTLE = BATCH_ITEMS_MAX;
/** Batches at once that no block may order all together: full ones, by their items; others, by their number. */
const FLOODS = [
  { batches: Math.ceil(BLOCK_ITEMS_MAX / FULL_OF_LITTLE) + 1, items: FULL_OF_LITTLE },
  { batches: BLOCK_BATCHES_MAX + 1, items: 1 },
] as const;
/** In one Δ: a few seconds of it are more than a lane is to hold. */
const FAR_BATCHES = 150;
const FULL_OF_LARGE = Math.floor((BATCH_BYTES_MAX - 64) / (ITEM_BYTES_MAX + 4));

/** What a full lane gets next: mostly one batch of as many items as may be, or as large. */
function floodOf(random: Random): { readonly item: Uint8Array; readonly batches: number; readonly items: number } {
  const item = random.bytes(8);
  if (random.chance(150)) return { item, ...random.pick(FLOODS) };
  if (random.chance(200)) return { item: new Uint8Array(ITEM_BYTES_MAX).fill(7), batches: 1, items: FULL_OF_LARGE };
  return { item, batches: 1, items: FULL_OF_LITTLE };
}

/** At times puts in an item that is issued in another century, half of those times as the beginning of a new incarnation. */
export function withOneAhead(liar: Liar, plan: LanePlan): LanePlan {
  const [item] = [...plan.items, ...liar.overheard.items];
  if (item === undefined || liar.random.chance(700)) return plan;
  return { ...plan, items: [datedAhead(item), ...plan.items], begins: liar.random.chance(500) };
}

export const AUTHORING: Readonly<Record<string, Lie>> = {
  withholds_batches: {
    does: 'says that it holds its lane, sends none of its batches, and answers nobody who asks',
    rule: 'Lanes: an author that withholds stalls only itself; what a quorum does not hold is not cut',
    speak: (liar, say) => {
      if (!isOwnBatch(liar, say)) return null;
      liar.met('withholds_batches');
      return [];
    },
    hear: (liar, _, message) => message.type !== 'wantBatches' || message.lane !== liar.seat()?.self,
  },
  batches_to_few: {
    does: 'sends each of its batches to some of its peers only, and to the others never',
    rule: 'Fetching: missing batches of a cut are asked of those who hold them; holders send on what stays uncut',
    speak: (liar, say) => {
      const { message } = say;
      if (message.type !== 'batch' || !isOwnBatch(liar, say)) return null;
      const { incarnation, number } = decodeBatch(message.bytes) ?? { incarnation: 0, number: 0 };
      if (!liar.isLiedTo(`batch/${incarnation}/${number}`, say.to)) return null;
      liar.met('batches_to_few');
      return [];
    },
    hear: (liar, from, message) =>
      message.type !== 'wantBatches' ||
      message.lane !== liar.seat()?.self ||
      !liar.isLiedTo(`batch/${message.point.incarnation}/${message.point.number}`, from),
  },
  wrong_held: {
    does: 'says that it holds more of each lane than there is, or less, or another, or that it is far ahead',
    rule: 'Lanes: the claim only helps leaders choose; a cut that was claimed and not held costs a view and not more',
    speak: (liar, { message }) => {
      if (message.type !== 'held') return null;
      const { lie } = liar.inTurn(HELD_LIES);
      const heights = [message.finalHeight, 0, message.finalHeight + 100, Number.MAX_SAFE_INTEGER];
      liar.met('wrong_held');
      return [
        {
          ...message,
          lanes: lie(message.lanes, liar.random).slice(0, 100),
          finalHeight: liar.random.pick(heights) as Height,
        },
      ];
    },
  },
  forked_lane: {
    does: 'makes two batches of one number, one for some of its peers and one for the others',
    rule: 'Lanes: it harms its own lane; nodes go on from the one stored first, and final cuts decide',
    author: (liar, plan) => {
      if (liar.random.chance(300)) return plan;
      liar.met('forked_lane');
      return { ...plan, rival: [...plan.items.slice(1), liar.random.bytes(40)] };
    },
  },
  new_incarnations: {
    does: 'begins a new incarnation of its lane at will',
    rule: 'Lanes: a point of a later incarnation takes in the earlier one as far as the cut that it follows',
    author: (liar, plan) => {
      if (liar.random.chance(600)) return plan;
      liar.met('new_incarnations');
      return { ...plan, begins: true };
    },
  },
  dates_ahead: {
    does: 'puts what is issued in another century into its lane, and begins a new incarnation with it at times',
    rule: 'Lanes: a lane waits for what is issued later, and makes nobody work meanwhile',
    author: (liar, plan) => {
      const dated = withOneAhead(liar, plan);
      if (dated !== plan) liar.met('dates_ahead');
      return dated;
    },
  },
  bad_items: {
    does: 'puts rubbish, invalid and stripped signatures, payloads reworded under theirs, wrong lists and other people’s instructions into its batches',
    rule: 'Lanes: what is wrong with an item is its own result, never a reason to refuse the batch',
    author: (liar, plan) => {
      liar.met('bad_items');
      const bad = badItems(liar, plan.items);
      return { ...plan, items: liar.random.chance(500) ? [...bad, ...plan.items] : [...plan.items, ...bad] };
    },
    act: async (liar) => {
      // A bank's instruction that it heard of in another lane comes early, and without its signatures, in its own.
      if (liar.overheard.items.length > 0) await append(liar, badItems(liar, []));
    },
  },
  censoring_author: {
    does: 'takes the instructions of one bank and never puts them into its lane',
    rule: 'Why it goes on: a bank that turns to an honest validator gets in; what was answered 202 is that one’s word',
    author: (liar, plan) => {
      const [first] = plan.items;
      const victim = liar.victimParty ?? (first === undefined ? null : initiatorOf(first));
      liar.victimParty = victim;
      const kept = plan.items.filter((item) => initiatorOf(item) !== victim);
      if (kept.length < plan.items.length) liar.met('censoring_author');
      return { ...plan, items: kept };
    },
  },
  full_batches: {
    does: 'floods its lane with batches as large, and of as many items, as may be, at times with more at once than one block may order',
    rule: 'Lanes: what is not final of a lane is bounded; a block takes lanes in turn, within its bounds',
    act: async (liar) => {
      if (liar.random.chance(700)) return;
      const { item, batches, items } = floodOf(liar.random);
      for (let i = 0; i < batches; i++)
        await append(
          liar,
          Array.from({ length: items }, () => item),
        );
      liar.met('full_batches');
    },
  },
  lane_far_ahead: {
    does: 'floods its lane with batches of numbers far beyond its end, which follow nothing',
    rule: 'Lanes: what is not final of a lane is bounded, and so is how far ahead a batch is taken',
    act: async (liar) => {
      const seat = liar.seat();
      if (seat === null) return;
      const { self: author, set } = seat;
      const { incarnation, number } = liar.overheard.latest?.cut[author] ?? laneStart(0);
      const to = liar.choice('far', () => liar.random.pick(liar.others()));
      for (let i = 0; i < FAR_BATCHES; i++) {
        const ahead = LANE_UNORDERED_BATCHES_MAX + liar.random.between(1, 1_000_000);
        const previous = rubbishHash(liar.random) as BatchDigest;
        const bytes = encodeBatch({
          author,
          epoch: set.epoch,
          incarnation,
          number: number + ahead,
          previous,
          items: [],
        });
        liar.send(to, 'batches', { type: 'batch', bytes, signature: await liar.signBatch(batchDigest(bytes)) });
      }
      liar.met('lane_far_ahead');
    },
  },
  forged_batches: {
    does: 'sends batches in the name of other authors, following one of theirs, and others’ batches with something changed',
    rule: 'Lanes: a batch is its author’s by signature; who sends another is punished, and not its author',
    act: async (liar) => {
      const { random, overheard } = liar;
      if (overheard.batches.length === 0) return;
      const { bytes, signature } = random.pick(overheard.batches);
      const forged = bytes.slice();
      const at = random.between(0, Math.min(forged.length - 1, 60));
      forged[at] = (forged[at] ?? 0) ^ (1 << random.between(0, 7));
      liar.send(random.pick(liar.others()), 'batches', { type: 'batch', bytes: forged, signature });
      const followed = decodeBatch(bytes);
      if (followed !== null && random.chance(500)) {
        const items = random.chance(500) ? [] : followed.items;
        const next = { ...followed, number: followed.number + 1, previous: batchDigest(bytes), items };
        const made = encodeBatch(next);
        liar.sendAll('batches', {
          type: 'batch',
          bytes: made,
          signature: random.chance(500) ? signature : await liar.signBatch(batchDigest(made)),
        });
      }
      liar.met('forged_batches');
    },
  },
};

/** A batch of its own making, to all. */
async function append(liar: Liar, items: readonly Uint8Array[]): Promise<void> {
  const seat = liar.seat();
  if (seat === null) return;
  const message = await liar.signed(liar.lane.append(seat.self, seat.set.epoch, items));
  liar.sendAll('batches', message);
}
