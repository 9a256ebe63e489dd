/** The composition root: every part of a node is made here, given what it uses, and ended in the opposite order. */
import { SYNC_BLOCKS_MAX } from '../protocol/limits.js';
import { timeScaleOf } from '../protocol/networktime.js';
import { createServer, ListenError } from './api/server.js';
import { createClock } from './clock.js';
import type { Config } from './config.js';
import { createSigner } from './keys/signer.js';
import { createVerifier } from './keys/verifier.js';
import { createLog } from './log.js';
import { serveBackups } from './main/backupsocket.js';
import { Failure } from './main/exits.js';
import { hashPairsNative } from './main/hasher.js';
import { checkPlace, identify } from './main/identity.js';
import { readRestart } from './main/restartfile.js';
import { checkRestored } from './main/restoremark.js';
import { scrape } from './main/scrape.js';
import { readVersion } from './main/version.js';
import { createWhatIfs } from './main/whatif.js';
import { createMetrics } from './metrics/prometheus.js';
import { createBus, type Libp2pBus } from './net/libp2p.js';
import type { Log } from './ports.js';
import { type Corrupt, checked } from './replica/checked.js';
import { networkClock } from './replica/networkclock.js';
import { Service } from './replica/service.js';
import { Succession } from './replica/succession.js';
import { openStore, StoreError } from './store/level.js';

/** An idle network makes an empty block this often, so that what expires is seen to. */
const HEARTBEAT_MS = 60_000;
/** Δ grows to so many times what the configuration has, when the network is slow. */
const DELTA_GROWTH_MAX = 16;
/** A node that is more blocks behind than this fetches a snapshot. */
const SNAPSHOT_BLOCKS = 10_000;

export interface RunningNode {
  /** Where its HTTP interface is, as `http://127.0.0.1:8101`. */
  readonly url: string;
  /** Multiaddrs at which it listens for other validators. */
  readonly listening: readonly string[];
  /** Answers whoever waits, finishes the last write, and lets go of everything. */
  stop(): Promise<void>;
}

/**
 * Starts a node. Resolves once it serves HTTP; whether it is ready to take instructions, /readyz says.
 *
 * @throws Failure what the environment lacks, with a code of its own for each kind
 */
export async function startNode(config: Config, log: Log = logOf(config)): Promise<RunningNode> {
  const closers: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        log.error({ error }, 'a part of the node did not end well');
      }
    }
  };
  try {
    return { ...(await compose(config, log, closers)), stop };
  } catch (error) {
    await stop();
    throw failureOf(error) ?? error;
  }
}

export const logOf = ({ party, log: { level } }: Config): Log => createLog({ level, party });

async function compose(
  config: Config,
  log: Log,
  closers: (() => Promise<void> | void)[],
): Promise<Omit<RunningNode, 'stop'>> {
  const { party, consensus, http } = config;
  const identity = identify(config);
  const { genesis, own, addresses, voteSeeds, networkSeed } = identity;
  const clock = networkClock(createClock(), genesis);
  const metrics = createMetrics();

  const verifier = createVerifier({ threads: config.verifierThreads, metrics });
  closers.push(() => verifier.close());
  const whatIf = createWhatIfs();
  closers.push(() => whatIf.close());
  checkRestored(config.data);
  const disk = await openStore(config.data, { metrics });
  closers.push(() => disk.close());
  // Once more: a restore may have begun meanwhile, and cannot from now on.
  checkRestored(config.data);
  const store = checked(disk);
  const mark = await openStore(config.mark, { metrics });
  closers.push(() => mark.close());

  const listen = [config.p2p.listen];
  const bus = await createBus({ privateKey: networkSeed, addresses, listen, log, metrics, clock });
  closers.push(() => bus.stop());
  const opened = await Succession.open(
    {
      genesis,
      own,
      deltaMs: consensus.deltaMs,
      deltaMaxMs: DELTA_GROWTH_MAX * consensus.deltaMs,
      batchMs: consensus.batchMs,
      heartbeatMs: HEARTBEAT_MS,
      answerBlocks: SYNC_BLOCKS_MAX,
      hasher: hashPairsNative,
      snapshotBlocks: SNAPSHOT_BLOCKS,
      retention: config.retention,
      restart: config.restart === null ? null : readRestart(config.restart),
    },
    {
      clock,
      bus,
      store,
      mark: checked(mark),
      signer: createSigner({ voteSeeds, networkSeed }),
      verifier,
      log,
      metrics,
    },
    { onFinal: (committed) => service.onFinal(committed) },
  );
  if (!opened.ok) throw new Failure(opened.code, `${opened.detail} ${WHAT_TO_DO[opened.code]}`);
  const { succession } = opened;
  const { height } = succession.replica.chain.final.header;
  const service: Service = new Service({
    succession,
    store,
    genesis,
    clock,
    whatIf,
    metrics,
    party,
    version: readVersion(),
  });
  closers.push(() => succession.stop());
  checkPlace(config, identity, succession.replica.members.set);
  // The replica listens before the bus brings anything.
  succession.start();
  await startBus(bus, config.p2p.listen);

  const onDamage = (corrupt: Corrupt): void => succession.upkeep.note(corrupt);
  closers.push(await serveBackups(config.data, { store, clock, log, party, version: readVersion(), onDamage }));

  const folders = { data: config.data, mark: config.mark };
  const render = (): Promise<string> => scrape({ metrics, verifier, succession, service, folders });
  const server = createServer({ service, metrics: { ...metrics, render }, log, host: http.host, port: http.port });
  closers.push(() => server.stop());
  const url = await server.start();
  const listening = bus.listening();
  const { network, test } = genesis;
  metrics.gauge('time_scale', timeScaleOf(genesis));
  if (test !== null)
    log.warn(test, 'this is a test network: its time is not that of clocks, and what settles on it is no money');
  log.info({ url, listening, network, test, height }, 'the node has started');
  return { url, listening };
}

const WHAT_TO_DO = {
  restart_refused: 'Take `restart` out of the configuration, or put the file there that the authorities signed last.',
  other_network: 'Name the genesis file of that network, or give this node a data folder of its own.',
  votes_corrupt:
    'Keep a copy of the folder, check the disk, and let the node begin anew in an empty one: it fetches the ledger, and its vote key never signs again. Replace that key in the next epoch.',
  state_corrupt:
    'Keep a copy of the folder, check the disk, and let the node fetch the ledger again into a new folder. Its vote key must not sign again, since what it signed may be lost.',
} as const;

async function startBus(bus: Libp2pBus, address: string): Promise<void> {
  try {
    await bus.start();
  } catch (error) {
    const messages = messagesOf(error);
    const reason = /\bE[A-Z]{4,}\b/.exec(messages)?.[0] ?? messages;
    if (reason === 'EADDRINUSE') {
      throw new Failure(
        'address_in_use',
        `${address} is taken: stop the process that has it, or set \`p2p.listen\` to another address.`,
        { cause: error },
      );
    }
    throw new Failure(
      'address_unavailable',
      `Nothing can listen on ${address} (${reason}): set \`p2p.listen\` to an address of this machine.`,
      { cause: error },
    );
  }
}

/** An error's message with those of what caused it: libp2p has the system's own code only below. */
function messagesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errors = [] } = error as { errors?: readonly unknown[] };
  const inner = [...errors, ...(error.cause === undefined ? [] : [error.cause])].map(messagesOf);
  return [error.message, ...inner].join(': ');
}

/** What an operator can mend, or null when the error is a bug. */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof Failure) return error;
  if (error instanceof StoreError) return new Failure(error.code, error.message, { cause: error });
  if (error instanceof ListenError) {
    const code = error.code === 'address_in_use' ? 'address_in_use' : 'address_unavailable';
    return new Failure(code, error.message, { cause: error });
  }
  return null;
}
