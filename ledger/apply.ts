/**
 * Applying a block: what is due, then the instructions that its cut orders, phase by phase (SPEC, Order within a block).
 * A pure function of the parent's state, the block's height and time, and the lanes.
 */
import { unreachable } from '../protocol/types.js';
import { asset } from './instructions/asset.js';
import { calendar } from './instructions/calendar.js';
import { cancel } from './instructions/cancel.js';
import { consent, consentsThatWaited } from './instructions/consent.js';
import { govern } from './instructions/govern.js';
import { key } from './instructions/key.js';
import { liquidity } from './instructions/liquidity.js';
import { participant } from './instructions/participant.js';
import { ready } from './instructions/ready.js';
import { reprioritise } from './instructions/reprioritise.js';
import { reveal } from './instructions/reveal.js';
import { consentBySignature, openRest, register } from './instructions/settle.js';
import { withdraw, withdrawalsThatWaited } from './instructions/withdraw.js';
import { type Applied, type At, type Ordered, Posting } from './posting.js';
import { Offered, offer } from './queue/offer.js';
import { pass, release, tellBound } from './queue/pass.js';
import { tellAmended } from './settlement/amendment.js';
import { lapseLocks, tellLocked } from './settlement/lock.js';
import { runTriggers } from './settlement/triggers.js';
import type { State } from './state.js';
import { addAuthorities, approve, concludeChange, waitedForChange } from './succession/change.js';

export type { Applied, Ordered } from './posting.js';

/**
 * The outcome of a block over its parent's sealed state. `lanes` holds each validator's newly ordered items in the order
 * of the set; null stands for bytes that were no instruction, which have no effect and no receipt. `at.time` is past the
 * parent's, and `at.proposer` is a place in the parent's set.
 */
export function applyBlock(parent: State, at: At, lanes: readonly (readonly (Ordered | null)[])[]): Applied {
  const posting = new Posting(parent, at);
  const ordered = inOrder(lanes, at.height);
  runTriggers(posting);
  release(posting);
  for (const each of ordered) if (isCurb(each)) applyCurb(posting, each);
  for (const each of ordered) applyNew(posting, each);
  withdrawalsThatWaited(posting);
  waitedForChange(posting, 'withdraw');
  for (const each of ordered) applyLeaving(posting, each);
  consentsThatWaited(posting);
  waitedForChange(posting, 'consent');
  for (const each of ordered) applyConsent(posting, each);
  approve(posting);
  openRest(posting);
  for (const each of ordered) applyReveal(posting, each);
  tellLocked(posting);
  for (const each of ordered) if (!isCurb(each)) applyRest(posting, each);
  lapseLocks(posting);
  pass(posting);
  applyOffers(posting, ordered);
  tellBound(posting);
  tellAmended(posting);
  // Last of all, wherever it stands in the lanes: the old set has settled everything else that its last block orders.
  concludeChange(posting);
  return posting.finish();
}

/** Lane by lane from one that moves with the height, so that no validator's banks are always first. */
function inOrder(lanes: readonly (readonly (Ordered | null)[])[], height: number): Ordered[] {
  const out: Ordered[] = [];
  for (let at = 0; at < lanes.length; at++) {
    for (const ordered of lanes[(height + at) % lanes.length] as readonly (Ordered | null)[])
      if (ordered !== null) out.push(ordered);
  }
  return out;
}

/** Revocations and suspensions go first: what they void is void for the whole block. */
function isCurb({ instruction: { payload } }: Ordered): boolean {
  return (
    (payload.kind === 'key' && payload.action === 'revoke') ||
    (payload.kind === 'participant' && payload.action === 'suspend')
  );
}

function applyCurb(posting: Posting, ordered: Ordered): void {
  const { payload } = ordered.instruction;
  if (payload.kind === 'key') key(posting, ordered, payload);
  if (payload.kind === 'participant') participant(posting, ordered, payload);
}

function applyNew(posting: Posting, ordered: Ordered): void {
  const { payload } = ordered.instruction;
  if (payload.kind === 'settle') register(posting, ordered, payload);
  if (payload.kind === 'govern') govern(posting, ordered, payload);
}

function applyLeaving(posting: Posting, ordered: Ordered): void {
  const { payload } = ordered.instruction;
  if (payload.kind === 'withdraw') withdraw(posting, ordered, payload);
  if (payload.kind === 'cancel') cancel(posting, ordered, payload);
}

function applyConsent(posting: Posting, ordered: Ordered): void {
  const { payload } = ordered.instruction;
  if (payload.kind === 'settle') consentBySignature(posting, ordered);
  if (payload.kind === 'govern') addAuthorities(posting, ordered.instruction.digest, ordered.signed);
  if (payload.kind === 'consent') consent(posting, ordered, payload);
}

/** After the pass: what remains of each, in their order. */
function applyOffers(posting: Posting, all: readonly Ordered[]): void {
  const offered = new Offered();
  for (const ordered of all) {
    const { payload } = ordered.instruction;
    if (payload.kind === 'offer') offer(posting, ordered, payload, offered);
  }
}

function applyReveal(posting: Posting, ordered: Ordered): void {
  const { payload } = ordered.instruction;
  if (payload.kind === 'reveal') reveal(posting, ordered, payload);
}

function applyRest(posting: Posting, ordered: Ordered): void {
  const { payload } = ordered.instruction;
  switch (payload.kind) {
    case 'asset':
      return asset(posting, ordered, payload);
    case 'participant':
      return participant(posting, ordered, payload);
    case 'key':
      return key(posting, ordered, payload);
    case 'ready':
      return ready(posting, ordered, payload);
    case 'reprioritise':
      return reprioritise(posting, ordered, payload);
    case 'calendar':
      return calendar(posting, ordered, payload);
    case 'liquidity':
      return liquidity(posting, ordered, payload);
    case 'govern':
    case 'settle':
    case 'consent':
    case 'withdraw':
    case 'cancel':
    case 'offer':
    case 'reveal':
      // Done in the phases before, or after.
      return;
    default:
      unreachable(payload);
  }
}
