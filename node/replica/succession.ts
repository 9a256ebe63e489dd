/**
 * A node through its epochs: the replica of the present one, and when that is over the next one's, over the same ports.
 * What the epoch's end left unordered of this node's own is carried over; nothing that was answered for is lost.
 */
import { blockId, decodeBatch, laneStart, validatorSet } from '../../protocol/block.js';
import {
  type ChangeHandOver,
  type Finalization,
  type HandOver,
  isSameRestart,
  restartHandOver,
} from '../../protocol/certificate.js';
import type { Genesis } from '../../protocol/genesis.js';
import { openingId } from '../../protocol/handover.js';
import { decodeItem, type Instruction } from '../../protocol/instruction.js';
import { INCARNATION_SECONDS_MAX } from '../../protocol/limits.js';
import { machineDelayMs, timeScaleOf } from '../../protocol/networktime.js';
import type { RestartFile } from '../../protocol/restart.js';
import { assert, type Epoch, type Hash, type LanePoint, type ValidatorIndex, type View } from '../../protocol/types.js';
import type { Operation, Ports } from '../ports.js';
import type { Verdict } from './admission.js';
import { unlessDamaged, untold } from './checked.js';
import { Mark, type Unfit } from './mark.js';
import { Outbox } from './outbox.js';
import {
  batchesAfter,
  deleteLogged,
  type FinalPointer,
  getBlock,
  getFinal,
  getHandOver,
  getIncarnation,
  laneOfBatchKey,
  loadOutbox,
  loadVoteLog,
  loggedBefore,
  putFinal,
  putHandOver,
  putIncarnation,
  putOutbox,
} from './records.js';
import { forgetLedger, openingHeader, type Recovered, recover } from './recovery.js';
import { Replica, type ReplicaConfig, type Told } from './replica.js';
import { type NotTaken, RestartGoal } from './restart.js';
import { restarted } from './restartblock.js';
import { getSurveyed, putSurveyed } from './survey.js';
import { Upkeep, type UpkeepConfig } from './upkeep.js';

/** What a node is told of itself; what it may sign with is found out from its marks. */
export type NodeConfig = Omit<
  ReplicaConfig,
  'marks' | 'laneMark' | 'incarnation' | 'network' | 'skewMs' | 'timeScale' | 'goal'
> &
  Pick<UpkeepConfig, 'hasher' | 'snapshotBlocks' | 'retention'> & {
    readonly genesis: Genesis;
    /** What the authorities have signed after more than f were lost; it is passed over once its epoch has begun here. */
    readonly restart: RestartFile | null;
  };

export type Opened =
  | { readonly ok: true; readonly succession: Succession }
  | Extract<Awaited<ReturnType<typeof recover>>, { ok: false }>
  | { readonly ok: false; readonly code: 'restart_refused'; readonly detail: string };

export class Succession {
  readonly #config: NodeConfig;
  readonly #ports: Ports;
  readonly #told: Pick<Told, 'onFinal'>;
  readonly #marks: Map<Hash, Mark>;
  readonly #laneMark: Mark;
  readonly #unfit: Map<Hash, Unfit>;
  #upkeep: Upkeep;
  #replica: Replica;
  /** What replaces the replica, while it is under way. */
  #next: Promise<void> | null = null;
  #stopped = false;

  /**
   * Takes up what the store holds, judges what this node may sign with, and makes ready to take part. A state that is not
   * the certified one is let go, and fetched again. Refuses as `recover` does.
   */
  static async open(config: NodeConfig, ports: Ports, told: Pick<Told, 'onFinal'>): Promise<Opened> {
    const { store } = ports;
    const lane = new Mark(config.own, store, ports.mark);
    const votes = marksOf(ports);
    const recovery = await recoverOrForget(config, ports, { votes, lane });
    if (!recovery.ok) return recovery;
    const refusal = await restartRefusal(config, ports, recovery.recovered);
    if (refusal !== null)
      return {
        ok: false,
        code: 'restart_refused',
        detail: `The restart file is refused (${refusal.code}): ${refusal.detail}`,
      };
    let { recovered } = recovery;
    const isLaneOld = lane.isFolderOld || storedIncarnation(store) < lane.incarnation;
    const isOld = isLaneOld || [...votes.values()].some(({ isFolderOld }) => isFolderOld);
    if (isOld || isOwnLaneDamaged(config, recovered)) recovered = await withLaneBegun(config, ports, lane, recovered);
    await lane.advance();
    const unfit = await setApart(votes, ports);
    return { ok: true, succession: new Succession(config, ports, recovered, told, { votes, lane, unfit }) };
  }

  private constructor(
    config: NodeConfig,
    ports: Ports,
    recovered: Recovered,
    told: Pick<Told, 'onFinal'>,
    keys: { readonly votes: Map<Hash, Mark>; readonly lane: Mark; readonly unfit: Map<Hash, Unfit> },
  ) {
    this.#config = config;
    this.#ports = ports;
    this.#told = told;
    this.#marks = keys.votes;
    this.#laneMark = keys.lane;
    this.#unfit = keys.unfit;
    this.#upkeep = this.#createUpkeep();
    this.#replica = this.#create(recovered);
  }

  /** Vote keys that this node holds and must not use, with the reason. */
  get unfit(): ReadonlyMap<Hash, Unfit> {
    return this.#unfit;
  }

  /** Whether it holds a vote key that it may use. */
  get holdsVoteKey(): boolean {
    return this.#marks.size > 0;
  }

  /** The replica of the present epoch. */
  get replica(): Replica {
    return this.#replica;
  }

  get upkeep(): Pick<Upkeep, 'floor' | 'note'> {
    return this.#upkeep;
  }

  /** Begins to take part; first in the next epoch, when the node was stopped between two. */
  start(): void {
    if (this.#replica.chain.isOver) this.#after(() => this.#succeed());
    else this.#replica.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#next;
    await this.#replica.stop();
    await this.#upkeep.stop();
  }

  /** As `Admission.submit`; what an epoch's end turned away is given to the next. */
  async submit(instruction: Instruction): Promise<Verdict> {
    for (;;) {
      const replica = this.#replica;
      const verdict = await replica.admission.submit(instruction);
      if (verdict.accepted || (this.#next === null && replica === this.#replica) || this.#stopped) return verdict;
      await this.#next;
      if (replica === this.#replica) return verdict;
    }
  }

  #createUpkeep(): Upkeep {
    const { genesis, hasher, deltaMs, snapshotBlocks, retention, restart } = this.#config;
    const { network, validators: genesisSet } = genesis;
    const vouched = restart === null ? [] : [restart.restart];
    const config = { network, genesisSet, hasher, deltaMs, snapshotBlocks, retention, vouched };
    return new Upkeep(
      config,
      this.#ports,
      () => this.#replica,
      () => this.#after(() => this.#install()),
    );
  }

  #create(recovered: Recovered): Replica {
    const { genesis } = this.#config;
    const told: Told = {
      onFinal: this.#told.onFinal,
      onOver: () => this.#after(() => this.#succeed()),
      upkeep: this.#upkeep,
    };
    const { store, log } = this.#ports;
    const { epoch } = recovered.set;
    const goal = goalOf(this.#config, this.#ports, recovered);
    const isSurveyed = getSurveyed(store) === epoch;
    if (goal !== null || isSurveyed)
      log.warn({ epoch, isSurveyed }, 'this node signs nothing more in this epoch: it ends with a restart');
    const replica = new Replica(
      {
        ...this.#config,
        network: genesis.network,
        skewMs: genesis.parameters.skewMs,
        timeScale: timeScaleOf(genesis),
        marks: goal !== null || isSurveyed ? new Map() : this.#marks,
        laneMark: this.#laneMark,
        goal,
        incarnation: unlessDamaged(() => getIncarnation(store), untold),
      },
      this.#ports,
      recovered,
      told,
    );
    for (const corrupt of recovered.damaged) this.#upkeep.note(corrupt);
    return replica;
  }

  /** One replacement of the replica after another. */
  #after(step: () => Promise<void>): void {
    const next = (this.#next ?? Promise.resolve()).then(step);
    this.#next = next;
    void next.then(() => {
      if (this.#next === next) this.#next = null;
    });
  }

  #begin(replica: Replica): void {
    this.#replica = replica;
    if (replica.chain.isOver) this.#after(() => this.#succeed());
    else replica.start();
  }

  /** One write ends the old epoch and begins the new one: its votes go, the hand-over comes, and what was left is carried over. */
  async #succeed(): Promise<void> {
    const old = this.#replica;
    await old.stop();
    if (this.#stopped || !old.chain.isOver) return;
    const { store, log } = this.#ports;
    const { goal } = old.chain;
    if (goal !== null) {
      await this.#restart(old, goal);
      return;
    }
    const { state, header: last } = old.chain.final;
    const set = validatorSet(state.validators.epoch, state.members());
    const { epoch } = set;
    const opening = handOverOf(old, set, store);
    const root = opening.finalization.ballot.root;
    const block = openingId(set, opening.block, root);
    const { network, height } = last;
    const pointer: FinalPointer = { network, epoch, height, view: 0 as View, block, root };
    const left = await this.#leftOf(old, epoch);
    await store.write([...left, putHandOver(opening), putFinal(pointer)], { sync: true });
    if (this.#stopped) return;
    log.info({ epoch, height, validators: set.validators.length }, 'a new epoch begins');
    await this.#enter({ pointer, header: openingHeader(last, set.validators.length, epoch), state, set, opening });
  }

  /** The same where more than f were lost: the epoch begins with a block that changes nothing but the set. */
  async #restart(old: Replica, goal: RestartGoal): Promise<void> {
    const { store, log } = this.#ports;
    const { set } = goal.file.restart;
    const { pointer, block, executed, operations } = restarted(goal.file.restart, old.chain.final);
    const opening = restartHandOver(goal.file.restart);
    const left = await this.#leftOf(old, set.epoch);
    await store.write([...left, putHandOver(opening), putSurveyed(null), ...operations], { sync: true });
    executed.state.commit();
    if (this.#stopped) return;
    const { epoch, height } = pointer;
    log.warn({ epoch, height, validators: set.validators.length }, 'a new epoch begins with a restart');
    this.#told.onFinal({ block, executed });
    await this.#enter({ pointer, header: block.header, state: executed.state, set, opening });
  }

  /** What an epoch leaves to the next: its votes go, and what this node answered for is carried over. */
  async #leftOf(old: Replica, epoch: Epoch): Promise<Operation[]> {
    const { store } = this.#ports;
    const votes = (await loggedBefore(store, epoch)).map(deleteLogged);
    return [...votes, ...(await this.#carriedOver(old))];
  }

  /** What its lane holds unordered, for the outbox. It is read from memory: the disk may have damaged a batch since. */
  async #carriedOver(old: Replica): Promise<Operation[]> {
    const { store } = this.#ports;
    const onDamage = this.#upkeep.note.bind(this.#upkeep);
    const outbox = new Outbox(store, await loadOutbox(store, onDamage), onDamage);
    return old.unordered().flatMap((item) => outbox.put(item));
  }

  async #enter(begun: Pick<Recovered, 'pointer' | 'header' | 'state' | 'set' | 'opening'>): Promise<void> {
    const { store } = this.#ports;
    const log = await loadVoteLog(store, begun.set.epoch);
    const outbox = await loadOutbox(store, (corrupt) => this.#upkeep.note(corrupt));
    this.#begin(this.#create({ ...begun, certificate: null, log, batches: [], outbox, damaged: [] }));
  }

  /** A snapshot is whole: it takes the place of the state, and the node goes on from there. */
  async #install(): Promise<void> {
    const { store, log } = this.#ports;
    await this.#replica.stop();
    await this.#upkeep.stop();
    if (this.#stopped) return;
    // What it wrote into its lane may be ordered in blocks that it now skips: the outbox keeps it until its end is known.
    await store.write(await this.#carriedOver(this.#replica), { sync: true });
    await this.#upkeep.seal();
    const keys = { votes: this.#marks, lane: this.#laneMark };
    const recovery = await recoverOrForget(this.#config, this.#ports, keys);
    assert(recovery.ok, 'a snapshot that was checked piece by piece can be taken up, or fetched again');
    for (const [key, unfit] of await setApart(this.#marks, this.#ports)) this.#unfit.set(key, unfit);
    if (this.#stopped) return;
    let { recovered } = recovery;
    if (isOwnLaneDamaged(this.#config, recovered))
      recovered = await withLaneBegun(this.#config, this.#ports, this.#laneMark, recovered);
    log.info({ height: recovered.pointer.height, epoch: recovered.pointer.epoch }, 'a snapshot is installed');
    this.#upkeep = this.#createUpkeep();
    this.#begin(this.#create(recovered));
  }
}

/** What the store holds. A state that is not the certified one is let go, with what this node may sign, to be fetched again. */
async function recoverOrForget(
  config: NodeConfig,
  ports: Ports,
  { votes, lane }: { readonly votes: ReadonlyMap<Hash, Mark>; readonly lane: Mark },
): Promise<Awaited<ReturnType<typeof recover>>> {
  const { store, clock, log } = ports;
  const { genesis, hasher } = config;
  const recovery = await recover(store, clock, genesis, hasher);
  if (recovery.ok || recovery.code !== 'state_corrupt') return recovery;
  log.error({ detail: recovery.detail }, 'the stored ledger is damaged: check the disk; it is fetched again');
  // The final pointer goes with it: without what that says of views that are over no log of votes can be trusted.
  for (const mark of votes.values()) await mark.retire();
  await beginIncarnation(config, ports, lane);
  await forgetLedger(store);
  return recover(store, clock, genesis, hasher);
}

const marksOf = ({ signer, store, mark }: Ports): Map<Hash, Mark> =>
  new Map(signer.voteKeys.map((key) => [key, new Mark(key, store, mark)]));

/** Takes from `marks` the keys that must not vote, each retired for good, and gives them with the reasons. */
async function setApart(marks: Map<Hash, Mark>, { store, log }: Ports): Promise<Map<Hash, Unfit>> {
  const unfit = new Map<Hash, Unfit>();
  for (const [key, mark] of marks) {
    if (mark.unfit === null) {
      // What resumes may say a vote whose mark a crash has kept from being written: the mark comes first (SPEC, The mark).
      await mark.advance();
      continue;
    }
    unfit.set(key, mark.unfit);
    marks.delete(key);
    log.error({ voteKey: key, reason: mark.unfit }, 'this vote key never signs again: replace it in the next epoch');
    // The mark first: a folder that no longer looks old must not find its key unretired.
    await mark.retire();
    if (mark.isFolderOld) await store.write([mark.seen()], { sync: true });
  }
  return unfit;
}

/** Where this node stands in a set, or -1. */
const placeIn = (set: HandOver['set'], own: NodeConfig['own']): number =>
  set.validators.findIndex(({ networkKey }) => networkKey === own);

/** Whether the disk has damaged a batch of this node's own lane, past the final cut: it would write that number again. */
const isOwnLaneDamaged = ({ own }: NodeConfig, { damaged, set }: Recovered): boolean =>
  damaged.some(({ table, key }) => {
    if (table !== 'batches') return false;
    const { epoch, lane } = laneOfBatchKey(key);
    return epoch === set.epoch && lane === placeIn(set, own);
  });

/** The same, its own lane to go on under a later incarnation. */
async function withLaneBegun(config: NodeConfig, ports: Ports, lane: Mark, recovered: Recovered): Promise<Recovered> {
  await beginIncarnation(config, ports, lane);
  return { ...recovered, outbox: await loadOutbox(ports.store, untold) };
}

/**
 * Who may have lost batches that it signed goes on under a later incarnation of its lane, in whatever epoch it comes to,
 * or it would sign two of one number: later than the last that folder, mark or the last final block knows of. Seconds
 * since the network began are later than any, should folder and mark be lost and the clock be right. What the node still
 * has of its lane is carried over: a cut that takes up the new incarnation passes over the old one.
 */
async function beginIncarnation({ genesis, own }: NodeConfig, { store, clock }: Ports, lane: Mark): Promise<void> {
  // Of the machine: network time, where it is scaled, would use up 32 bits in days.
  const seconds = Math.floor(machineDelayMs(timeScaleOf(genesis), clock.now() - genesis.created) / 1000);
  const ordered = ownOrdered(store, genesis, own);
  const next = Math.max(storedIncarnation(store), lane.incarnation, ordered?.point.incarnation ?? 0) + 1;
  const incarnation = seconds < INCARNATION_SECONDS_MAX ? Math.max(next, seconds) : next;
  const left = ordered === null ? [] : await ownUnordered(store, ordered);
  // The mark first: a folder that is stopped between the two still looks old, and takes a yet later one.
  lane.beginLane(incarnation);
  await lane.advance();
  await store.write([putIncarnation(incarnation), lane.seen(), ...left], { sync: true });
}

/** A damaged one is as good as none: the mark knows better. */
const storedIncarnation = (store: Pick<Ports['store'], 'get'>): number =>
  unlessDamaged(() => getIncarnation(store), untold) ?? 0;

/** This node's own lane, and how far the last final block orders it; null where it has none. */
interface OwnOrdered {
  readonly epoch: Epoch;
  readonly place: ValidatorIndex;
  readonly point: LanePoint;
}

function ownOrdered(store: Ports['store'], genesis: Genesis, own: NodeConfig['own']): OwnOrdered | null {
  const pointer = unlessDamaged(() => getFinal(store), untold);
  if (pointer === null) return null;
  const { epoch, height } = pointer;
  const isFirst = epoch === genesis.validators.epoch;
  const handOver = isFirst ? null : unlessDamaged(() => getHandOver(store, epoch), untold);
  const place = placeIn(handOver?.set ?? genesis.validators, own) as ValidatorIndex;
  return place < 0 ? null : { epoch, place, point: finalPoint(store, epoch, height, place) };
}

/** What the store has of this node's own lane past the final cut, for the outbox. */
async function ownUnordered(store: Ports['store'], { epoch, place, point }: OwnOrdered): Promise<Operation[]> {
  const left: Operation[] = [];
  for await (const { bytes } of batchesAfter(store, epoch, place, point.incarnation, point.number, untold)) {
    for (const item of decodeBatch(bytes)?.items ?? []) {
      const read = decodeItem(item);
      if (read.ok) left.push(putOutbox(read.instruction.digest, item));
    }
  }
  return left;
}

/** How far the final block orders a lane; its beginning where that block is of the epoch before, or damaged. */
function finalPoint(store: Ports['store'], epoch: Epoch, height: number, lane: ValidatorIndex): LanePoint {
  const header = unlessDamaged(() => getBlock(store, height)?.header ?? null, untold);
  return (header?.epoch === epoch ? header.cut[lane] : undefined) ?? laneStart(0);
}

/** How the epoch that this node is in ends, if it is by a restart: as the store has noted, or the file says. */
function goalOf(
  { genesis: { network }, restart }: NodeConfig,
  { store, verifier }: Ports,
  { pointer, set }: Recovered,
): RestartGoal | null {
  const parts = { network, before: set, verifier };
  const noted = getHandOver(store, set.epoch + 1);
  if (noted?.kind === 'restart' && noted.block === pointer.block && noted.restart.last.root === pointer.root)
    return new RestartGoal({ restart: noted.restart, headers: [] }, parts, true);
  return restart?.restart.set.epoch === set.epoch + 1 ? new RestartGoal(restart, parts, false) : null;
}

/** What is wrong with the restart file, as far as it can be told before anything is executed. */
async function restartRefusal(config: NodeConfig, ports: Ports, recovered: Recovered): Promise<NotTaken | null> {
  const restart = config.restart?.restart;
  if (restart === undefined) return null;
  const { pointer, set } = recovered;
  if (restart.network !== config.genesis.network) return { code: 'wrong_network', detail: 'It is of another network.' };
  if (restart.set.epoch > set.epoch) {
    const goal = goalOf(config, ports, recovered);
    return goal === null || goal.isTaken ? null : (goal.against(pointer) ?? (await goal.refusal()));
  }
  const known = getHandOver(ports.store, restart.set.epoch);
  if (known?.kind === 'restart' && isSameRestart(known.restart, restart)) return null;
  const detail = `Epoch ${restart.set.epoch} has begun here, and not with this restart: a survivor was left out, or the file is an old one.`;
  return { code: 'restart_behind', detail };
}

/** What shows that the old set handed over to `set`, but for the new set's statements. */
function handOverOf({ chain }: Replica, set: HandOver['set'], store: Ports['store']): ChangeHandOver {
  const { header, state } = chain.final;
  const record = getBlock(store, header.height);
  assert(record?.certificate?.ballot.kind === 'finalize', 'the last block of an epoch has its finalization');
  const { parentRoot, receiptsRoot, stateRoot } = record;
  return {
    kind: 'change',
    set,
    block: blockId(header),
    finalization: record.certificate as Finalization,
    opening: { parentResultRoot: parentRoot, receiptsRoot, stateRoot },
    siblings: state.prove('validators', '').siblings,
    statements: [],
  };
}
