/**
 * What a stopped node knows of where its epoch came to, for the restart ceremony (protocol/SPEC.md): its last final block,
 * and the highest notarized block after it, executed. From then on its vote key is silent in that epoch: a vote cast after
 * the survey could make final what the restart leaves out.
 */
import { blockId } from '../../protocol/block.js';
import type { Finalization, HandOver } from '../../protocol/certificate.js';
import { decode, Writer } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { PairHasher } from '../../protocol/hash.js';
import type { Survey } from '../../protocol/survey.js';
import type { BlockHeader, BlockId, Certificate, Epoch, Root } from '../../protocol/types.js';
import type { Operation, Ports, Store } from '../ports.js';
import { Chain } from './chain.js';
import { unlessDamaged, untold } from './checked.js';
import { Lanes } from './lanes.js';
import { getHandOver, getRestored, metaKey } from './records.js';
import { type Recovered, type Recovery, recover } from './recovery.js';

/** Notes that the node has told where `epoch` came to, or with null that no statement was made of it. */
export const putSurveyed = (epoch: Epoch | null): Operation =>
  epoch === null
    ? { type: 'delete', table: 'meta', key: metaKey('surveyed') }
    : { type: 'put', table: 'meta', key: metaKey('surveyed'), value: new Writer(8).u64(epoch).finish() };

/** The epoch in which this node must not vote any more since it was surveyed, or null. */
export function getSurveyed(store: Pick<Store, 'get'>): Epoch | null {
  const bytes = store.get('meta', metaKey('surveyed'));
  return bytes === undefined ? null : decode(bytes, (reader) => reader.u64() as Epoch);
}

type Parts = Pick<Ports, 'store' | 'clock' | 'verifier' | 'metrics'> & {
  readonly genesis: Genesis;
  readonly hasher: PairHasher;
  /** Surveys of others: their headers and certificates are taken in, where this node's log lacks one. */
  readonly others: readonly Survey[];
};
export type Surveyed =
  | { readonly ok: true; readonly survey: Survey }
  | Extract<Recovery, { ok: false }>
  | { readonly ok: false; readonly code: 'between_epochs'; readonly detail: string };

/** Surveys a node that does not run. Refuses as `recover` does, and with `between_epochs`. */
export async function takeSurvey(parts: Parts): Promise<Surveyed> {
  const { store, clock, genesis, hasher } = parts;
  const recovery = await recover(store, clock, genesis, hasher);
  if (!recovery.ok) return recovery;
  const { recovered } = recovery;
  const { pointer, set, certificate } = recovered;
  const { epoch } = pointer;
  if (recovered.state.validators.epoch !== epoch) {
    const detail = `Epoch ${epoch} is over here, and the next not begun: start the node once, and survey it again.`;
    return { ok: false, code: 'between_epochs', detail };
  }
  await store.write([putSurveyed(epoch)], { sync: true });
  const others = parts.others.filter((other) => other.set.digest === set.digest);
  const headers = new Map<BlockId, BlockHeader>();
  for (const { header } of recovered.log.proposals) headers.set(blockId(header), header);
  for (const header of others.flatMap((other) => other.headers)) headers.set(blockId(header), header);
  const highest = highestNotarized([
    ...recovered.log.certificates,
    ...others.flatMap((other) => other.notarization ?? []),
  ]);
  const isAhead = highest !== null && highest.ballot.view > pointer.view;
  const survey: Survey = {
    network: genesis.network,
    set,
    handOvers: handOversTo(store, epoch),
    final: { ...pointer, certificate: certificate as Finalization | null },
    headers: [...headers.values()].filter(({ view }) => view > pointer.view),
    notarization: isAhead ? highest : null,
    root: isAhead ? await execute(parts, recovered, [...headers], highest) : pointer.root,
    restored: unlessDamaged(() => getRestored(store), untold),
  };
  return { ok: true, survey };
}

function highestNotarized(certificates: readonly Certificate[]): Certificate | null {
  let highest: Certificate | null = null;
  for (const certificate of certificates) {
    const { kind, view } = certificate.ballot;
    if (kind === 'notarize' && view > (highest?.ballot.view ?? 0)) highest = certificate;
  }
  return highest;
}

function handOversTo(store: Store, epoch: Epoch): HandOver[] {
  return Array.from({ length: epoch }, (_, before) => getHandOver(store, before + 1) ?? []).flat();
}

/** The result root of a notarized block; null where a block on the way to it, or a batch, is not here. */
async function execute(
  { store, clock, verifier, metrics, genesis }: Parts,
  { pointer, header, state, batches }: Recovered,
  headers: readonly (readonly [BlockId, BlockHeader])[],
  { ballot: { view, block } }: Certificate,
): Promise<Root | null> {
  if (block === null) return null;
  let woken = (): void => {};
  const wake = (): void => woken();
  const lanes = new Lanes(null, header.cut);
  for (const held of batches) {
    lanes.add(held);
    lanes.stored(held);
  }
  const { skewMs } = genesis.parameters;
  const deps = { store, clock, verifier, metrics, lanes, skewMs, wake, isOwed: () => false, onDamage: () => {} };
  const chain = new Chain(deps, pointer, header, state);
  for (const [id, each] of headers) chain.add(id, each, null);
  chain.want(block, view);
  for (;;) {
    const progress = chain.pump();
    const executed = chain.get(block)?.executed ?? null;
    if (executed !== null) return executed.root;
    if (progress.length > 0) continue;
    if (!headers.some(([id]) => chain.get(id)?.learning === true)) return null;
    await new Promise<void>((resolve) => {
      woken = resolve;
    });
  }
}
