/** What a party can expect and what has settled for it, as decimal text: positions, totals, and what a what-if comes to. */
import { type Asset, accountName } from '../../ledger/entries.js';
import type { Flow } from '../../ledger/queue/flows.js';
import { positionsOf } from '../../ledger/queue/projection.js';
import type { QueueCopy, WhatIfSums } from '../../ledger/queue/whatif.js';
import type { State } from '../../ledger/state.js';
import type { Bic, TimestampMs } from '../../protocol/types.js';
import { formatAmount, formatDay } from '../../protocol/values.js';
import type { FlowView, PositionView, SettledDayView, UnsettledView, WhatIfSumsView } from '../ports.js';
import type { DayTurnover } from './turnover.js';

export function positionViews(state: State, party: Bic, time: TimestampMs): PositionView[] {
  return positionsOf(state, party, time).map(({ asset, balance, floor, days, lowest }) => {
    const { decimals } = asset;
    const told = days.map(({ day, flow, projected, outflowsOnly }) => ({
      date: formatDay(day),
      ...flowView(flow, decimals),
      net: formatAmount(flow.inMinor - flow.outMinor, decimals),
      projected: formatAmount(projected, decimals),
      outflowsOnly: formatAmount(outflowsOnly, decimals),
    }));
    return {
      asset: asset.asset,
      balance: formatAmount(balance, decimals),
      floor: formatAmount(floor, decimals),
      days: told,
      lowest: formatAmount(lowest, decimals),
    };
  });
}

/** What is open, by asset; assets in which nothing would move the party's account are left out. */
export function unsettledViews(state: State, party: Bic): UnsettledView[] {
  return state.assets().flatMap(({ asset, decimals }) => {
    const { proposed, scheduled, queued, locked, linked } = state.flows.of(accountName(party, asset));
    if ([proposed, scheduled, queued, locked, linked].every(({ ins, outs }) => ins + outs === 0)) return [];
    const view = (flow: Flow): FlowView => flowView(flow, decimals);
    const waiting = { proposed: view(proposed), scheduled: view(scheduled), queued: view(queued) };
    return [{ asset, ...waiting, locked: view(locked), linked: view(linked) }];
  });
}

export function settledViews(state: State, party: Bic, days: readonly DayTurnover[]): SettledDayView[] {
  return days.map(({ day, fromHeight, isWhole, flows }) => {
    const assets = state.assets().flatMap(({ asset, decimals }) => {
      const flow = flows.get(accountName(party, asset));
      return flow === undefined ? [] : [{ asset, ...flowView(flow, decimals) }];
    });
    return { date: formatDay(day), fromHeight, whole: isWhole, assets };
  });
}

/** Sums of items of a queue that was copied with these assets, of which the party may see its own. */
export function whatIfSumsView(
  { count, ownCount, own, ownFlows, values }: WhatIfSums,
  settlements: QueueCopy['settlements'],
  assets: readonly Asset[],
): WhatIfSumsView {
  const ascending = <T extends readonly [asset: number, ...unknown[]]>(entries: readonly T[]): T[] =>
    [...entries].sort(([a], [b]) => a - b);
  const assetAt = (at: number): Asset => assets[at] as Asset;
  return {
    own: {
      count: ownCount,
      assets: ascending(ownFlows).map(([at, flow]) => ({
        asset: assetAt(at).asset,
        ...flowView(flow, assetAt(at).decimals),
      })),
      settlements: own.flatMap((item) => settlements[item]?.digest ?? []),
    },
    all: {
      count,
      assets: ascending(values).map(([at, moving, minor]) => ({
        asset: assetAt(at).asset,
        count: moving,
        value: formatAmount(minor, assetAt(at).decimals),
      })),
    },
  };
}

const flowView = ({ ins, inMinor, outs, outMinor }: Flow, decimals: number): FlowView => ({
  in: { count: ins, value: formatAmount(inMinor, decimals) },
  out: { count: outs, value: formatAmount(outMinor, decimals) },
});
