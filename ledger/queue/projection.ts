/**
 * What a party's accounts come to if all of the queue, in it or on its way there, settles as early as it may, and if only
 * what the party pays does. What a lock brings is not counted, and what it holds is as good as paid.
 */
import type { Bic, TimestampMs } from '../../protocol/types.js';
import { type Asset, accountName } from '../entries.js';
import type { State } from '../state.js';
import { type DayFlow, dayOf, type Expected, type Flow, sumOfFlows } from './flows.js';

/** A day on which something may settle at the earliest; amounts in minor units. */
export interface ProjectedDay extends DayFlow {
  /** The account at its end, if all has settled that may by then. */
  readonly projected: bigint;
  /** The same, if what the party pays has settled, locks too, and nothing that it is paid. */
  readonly outflowsOnly: bigint;
}
/** One account of a party. */
export interface Position {
  readonly asset: Asset;
  readonly balance: bigint;
  /** The least that it may hold: zero, or minus the cap for the issuer's own. */
  readonly floor: bigint;
  /** Days on which something moves it, ascending. The first is today at the earliest: what is in the queue is there. */
  readonly days: readonly ProjectedDay[];
  /** What it comes to in the end if only what the party pays settles: no order of settling takes it lower. */
  readonly lowest: bigint;
}

/** Where a party stands in each asset that it has an account in or can expect something of, ascending by code. */
export function positionsOf(state: State, party: Bic, time: TimestampMs): Position[] {
  return state.assets().flatMap((asset) => {
    const name = accountName(party, asset.asset);
    const account = state.tables.accounts.get(name);
    const days = expectedDays(state.flows.of(name), dayOf(time));
    if (account === undefined && days.length === 0) return [];
    const balance = account?.balance ?? 0n;
    const floor = asset.issuer === party ? 0n - asset.cap : 0n;
    const free = balance - state.locks.held(name);
    const projected = projectedDays(balance, free, days);
    return [{ asset, balance, floor, days: projected, lowest: projected.at(-1)?.outflowsOnly ?? free }];
  });
}

/** What is in the queue may settle today; so may, for want of a block since its time came, what is scheduled for before. */
function expectedDays({ queued, days }: Expected, today: number): DayFlow[] {
  const later = days.filter(({ day }) => day > today);
  const due = days.filter(({ day }) => day <= today);
  const flow = due.reduce<Flow>((sum, each) => sumOfFlows(sum, each.flow), queued);
  return flow.ins + flow.outs === 0 ? later : [{ day: today, flow }, ...later];
}

function projectedDays(balance: bigint, free: bigint, days: readonly DayFlow[]): ProjectedDay[] {
  let [projected, outflowsOnly] = [balance, free];
  return days.map(({ day, flow }) => {
    projected += flow.inMinor - flow.outMinor;
    outflowsOnly -= flow.outMinor;
    return { day, flow, projected, outflowsOnly };
  });
}
