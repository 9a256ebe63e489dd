/**
 * A node through its epochs: the replica of the present one, and when that is over the next one's, over the same ports.
 * What the epoch's end left unordered of this node's own is carried over; nothing that was answered for is lost.
 */
import { blockId, validatorSet } from '../../protocol/block.js';
import {
  type ChangeHandOver,
  type Finalization,
  type HandOver,
  isSameRestart,
  restartHandOver,
} from '../../protocol/certificate.js';
import type { Genesis } from '../../protocol/genesis.js';
import { openingId } from '../../protocol/handover.js';
import type { Instruction } from '../../protocol/instruction.js';
import type { RestartFile } from '../../protocol/restart.js';
import { assert, type Epoch, type Hash, type TimestampMs, type View } from '../../protocol/types.js';
import type { Operation, Ports } from '../ports.js';
import type { Verdict } from './admission.js';
import { Corrupt } from './checked.js';
import { Outbox } from './outbox.js';
import {
  deleteLogged,
  type FinalPointer,
  getBlock,
  getHandOver,
  getIncarnation,
  loadOutbox,
  loadVoteLog,
  loggedBefore,
  putFinal,
  putHandOver,
  putIncarnation,
} from './records.js';
import { forgetLedger, openingHeader, type Recovered, recover } from './recovery.js';
import { Replica, type ReplicaConfig, type Told } from './replica.js';
import { type NotTaken, RestartGoal } from './restart.js';
import { restarted } from './restartblock.js';
import { getSurveyed, putSurveyed } from './survey.js';
import { Upkeep, type UpkeepConfig } from './upkeep.js';
import { type Unfit, VoteMark } from './votemark.js';

/** What a node is told of itself; what it may sign with is found out from its marks. */
export type NodeConfig = Omit<ReplicaConfig, 'marks' | 'incarnation' | 'network' | 'skewMs' | 'goal'> &
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
  readonly #marks: ReadonlyMap<Hash, VoteMark>;
  /** Vote keys that this node holds and must not use, with the reason. */
  readonly unfit: ReadonlyMap<Hash, Unfit>;
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
    const { store, clock, signer, mark: marks, log } = ports;
    const { genesis, hasher } = config;
    let recovery = await recover(store, clock, genesis, hasher);
    if (!recovery.ok && recovery.code === 'state_corrupt') {
      log.error({ detail: recovery.detail }, 'the stored ledger is damaged: check the disk; it is fetched again');
      // What the final pointer says of views that are over goes with it: without that no log of votes can be trusted.
      for (const key of signer.voteKeys) await new VoteMark(key, store, marks).retire();
      await forgetLedger(store);
      recovery = await recover(store, clock, genesis, hasher);
    }
    if (!recovery.ok) return recovery;
    const refusal = await restartRefusal(config, ports, recovery.recovered);
    if (refusal !== null)
      return {
        ok: false,
        code: 'restart_refused',
        detail: `The restart file is refused (${refusal.code}): ${refusal.detail}`,
      };
    const usable = new Map<Hash, VoteMark>();
    const unfit = new Map<Hash, Unfit>();
    for (const key of signer.voteKeys) {
      const mark = new VoteMark(key, store, marks);
      if (mark.unfit === null) {
        await mark.begin();
        usable.set(key, mark);
        continue;
      }
      unfit.set(key, mark.unfit);
      log.error({ voteKey: key, reason: mark.unfit }, 'this vote key never signs again: replace it in the next epoch');
      await mark.retire();
    }
    const { recovered } = recovery;
    if ([...unfit.values()].some((reason) => reason !== 'vote_key_retired'))
      await beginIncarnation(genesis.created, ports, recovered.set.epoch);
    return { ok: true, succession: new Succession(config, ports, recovered, told, { usable, unfit }) };
  }

  private constructor(
    config: NodeConfig,
    ports: Ports,
    recovered: Recovered,
    told: Pick<Told, 'onFinal'>,
    keys: { readonly usable: ReadonlyMap<Hash, VoteMark>; readonly unfit: ReadonlyMap<Hash, Unfit> },
  ) {
    this.#config = config;
    this.#ports = ports;
    this.#told = told;
    this.#marks = keys.usable;
    this.unfit = keys.unfit;
    this.#upkeep = this.#createUpkeep();
    this.#replica = this.#create(recovered);
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
      const verdict = await this.#admit(replica, instruction);
      if (verdict.accepted || (this.#next === null && replica === this.#replica) || this.#stopped) return verdict;
      await this.#next;
      if (replica === this.#replica) return verdict;
    }
  }

  async #admit({ admission }: Replica, instruction: Instruction): Promise<Verdict> {
    try {
      return await admission.submit(instruction);
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      this.#upkeep.note(error);
      const detail = 'A record of this node is damaged and is being mended. Send it again later, or to another node.';
      return { accepted: false, code: 'not_ready', detail };
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
        marks: goal !== null || isSurveyed ? new Map() : this.#marks,
        goal,
        incarnation: getIncarnation(store, epoch),
      },
      this.#ports,
      recovered,
      told,
    );
    for (const corrupt of recovered.damaged ?? []) this.#upkeep.note(corrupt);
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
    const onDamage = this.#upkeep.note.bind(this.#upkeep);
    const outbox = new Outbox(store, await loadOutbox(store, onDamage), onDamage);
    return [...votes, ...old.unordered().flatMap((item) => outbox.put(item))];
  }

  async #enter(begun: Pick<Recovered, 'pointer' | 'header' | 'state' | 'set' | 'opening'>): Promise<void> {
    const { store } = this.#ports;
    const log = await loadVoteLog(store, begun.set.epoch);
    const outbox = await loadOutbox(store, (corrupt) => this.#upkeep.note(corrupt));
    this.#begin(this.#create({ ...begun, certificate: null, log, batches: [], outbox, damaged: [] }));
  }

  /** A snapshot is whole: it takes the place of the state, and the node goes on from there. */
  async #install(): Promise<void> {
    const { store, clock, log } = this.#ports;
    await this.#replica.stop();
    await this.#upkeep.stop();
    if (this.#stopped) return;
    await this.#upkeep.seal();
    const recovery = await recover(store, clock, this.#config.genesis, this.#config.hasher);
    assert(recovery.ok, 'a snapshot that was checked piece by piece can be taken up');
    if (this.#stopped) return;
    const { recovered } = recovery;
    log.info({ height: recovered.pointer.height, epoch: recovered.pointer.epoch }, 'a snapshot is installed');
    this.#upkeep = this.#createUpkeep();
    this.#begin(this.#create(recovered));
  }
}

/**
 * Who may have lost batches that it signed goes on under a later incarnation of its lane, or it would sign two of one
 * number. Seconds since the network began are later than any that it can have used.
 */
async function beginIncarnation(created: TimestampMs, { store, clock }: Ports, epoch: Epoch): Promise<void> {
  const known = getIncarnation(store, epoch) ?? 0;
  const incarnation = Math.max(known + 1, Math.floor((clock.now() - created) / 1000));
  await store.write([putIncarnation(epoch, incarnation)], { sync: true });
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
