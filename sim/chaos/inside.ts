/** The run itself, inside namespaces of its own: started by main.ts as their first process, with its orders as JSON. */
import { join } from 'node:path';
import Table from 'cli-table3';
import { keySigner } from '../../node/api/signing.js';
import type { BenchBank } from '../bench/traffic.js';
import { type BenchWorld, openWorld } from '../bench/world.js';
import { Links } from '../border/links.js';
import { startBankNodes } from '../network/acts.js';
import { LocalNetwork, type Member } from '../network/network.js';
import { percentileOf } from '../percentile.js';
import { type Audited, audit } from './audit.js';
import { Faults } from './faults.js';
import { History, RULES, type Rule } from './history.js';
import { Lab, mountSmallDisk } from './lab.js';
import { Load } from './load.js';
import type { Orders } from './orders.js';
import { FAULT_KINDS, type FaultKind, type Planned, planFaults } from './schedule.js';

/** The validators, and after them a bank's own node in each of these jurisdictions. */
const VALIDATORS = 4;
const PARTICIPANTS_IN = ['HK', 'TH'] as const;
const NODES = VALIDATORS + PARTICIPANTS_IN.length;
/** Nodes whose data lies on a small disk; that of the others lies on the machine's own. */
const SMALL_DISKS = [2, 3, 4];
const MINUTE_MS = 60_000;
const STEP_MS = 50;
const PROGRESS_MS = 1_000;
/** A run as long as this fails when a fault that was planned had no effect; in a shorter one it may have come at the wrong moment. */
const LONG_MINUTES = 3;

const orders = JSON.parse(process.argv[2] ?? '{}') as Orders;
const startedMs = performance.now();
const sinceStart = (): string => `${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s`;
const say = (line: string): void => console.error(`${sinceStart()}  ${line}`);
const delay = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const isInteractive = process.stderr.isTTY;

// Whoever started this is gone: with this process the kernel ends all others and takes everything away.
process.on('disconnect', () => process.exit(1));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));

interface Chaos {
  readonly lab: Lab;
  readonly links: Links;
  readonly network: LocalNetwork;
  readonly history: History;
  readonly faults: Faults;
}

async function build(): Promise<Chaos> {
  const lab = await Lab.open(orders.folder, NODES);
  const links = await Links.open({
    nodes: NODES,
    gates: lab.gates(),
    seed: orders.seed,
    control: { host: '127.0.0.1', port: 0 },
    stays: false,
  });
  let faults: Faults | null = null;
  const network = await LocalNetwork.open(
    join(orders.folder, 'network'),
    (member, exit, lastLines) => faults?.onDeath(member, exit, lastLines),
    lab.layout(),
  );
  await mountSmallDisks(network.members, 0);
  const history = new History(
    NODES,
    network.members.map(({ party }) => party),
  );
  faults = new Faults({ network, lab, links, history, say });
  await faults.prepare();
  return { lab, links, network, history, faults };
}

/** Of these nodes, the first of which has that place. */
async function mountSmallDisks(nodes: readonly Member[], firstPlace: number): Promise<void> {
  for (const [at, { folder }] of nodes.entries())
    if (SMALL_DISKS.includes(firstPlace + at)) await mountSmallDisk(join(folder, 'data'));
}

/** Gives a bank in each of these jurisdictions a node of its own, and lets it be at home there. */
async function addParticipants({ network, faults }: Chaos, { banks }: BenchWorld): Promise<readonly BenchBank[]> {
  const owners = PARTICIPANTS_IN.map((jurisdiction) => {
    const node = network.members.indexOf(network.member(jurisdiction));
    const { party, seed } = banks.find((bank) => bank.node === node) as BenchBank;
    return { party, jurisdiction, signer: keySigner('Ed25519', seed) };
  });
  for (const { party, jurisdiction } of owners) await network.guest({ name: party, party, jurisdiction });
  await mountSmallDisks(network.nodes.slice(VALIDATORS), VALIDATORS);
  await startBankNodes(network, owners);
  await faults.prepare();
  return banks.map((bank) => {
    const at = owners.findIndex(({ party }) => party === bank.party);
    return at === -1 ? bank : { ...bank, node: VALIDATORS + at };
  });
}

function kindsHere(lab: Lab): FaultKind[] {
  if (lab.hasClocks) return [...FAULT_KINDS];
  say('SKIPPED clock steps: libfaketime is not here (Debian: apt-get install faketime)');
  return FAULT_KINDS.filter((kind) => kind !== 'clock');
}

/** One row a minute, as it ends. */
class Minutes {
  readonly #widths = [8, 8, 8, 8, 32];
  #count = 0;
  #startedMs = performance.now();

  constructor() {
    this.#row(['minute', 'tps', 'p50 ms', 'p99 ms', 'heights'], 'faults');
  }

  isOver(): boolean {
    return performance.now() - this.#startedMs >= MINUTE_MS;
  }

  end({ faults, history }: Chaos, load: Load): void {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const finality = load.finalityMs;
    load.finalityMs = [];
    this.#count += 1;
    this.#startedMs = performance.now();
    const figures = [finality.length / seconds, percentileOf(finality, 0.5), percentileOf(finality, 0.99)];
    const texts = figures.map((figure) => (figure === null ? '-' : figure.toFixed(figure < 100 ? 1 : 0)));
    const heights = Array.from({ length: NODES }, (_, node) => history.heightOf(node)).join(' ');
    this.#row([String(this.#count), ...texts, heights], faults.takeNames().join('; ') || 'none');
  }

  #row(cells: readonly string[], last: string): void {
    (orders.json ? console.error : console.log)(
      [...cells.map((each, at) => each.padEnd(this.#widths[at] ?? 0)), last].join(' '),
    );
  }
}

function showProgress({ history }: Chaos, load: Load): void {
  if (!isInteractive) return;
  const heights = Array.from({ length: NODES }, (_, node) => history.heightOf(node)).join(' ');
  const taken = history.acknowledged.length;
  process.stderr.write(`\r\x1b[K${sinceStart()}  ${taken} taken, heights ${heights}, ${load.underWay} under way\r`);
}

const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value * 100) / 100);

/** Begins each fault at its time; resolves when the last one is over. */
async function breakThings(chaos: Chaos, load: Load, planned: readonly Planned[]): Promise<void> {
  const minutes = new Minutes();
  const beganMs = performance.now();
  const left = [...planned];
  let shownMs = 0;
  for (let nowMs = 0; nowMs < orders.minutes * MINUTE_MS; nowMs = performance.now() - beganMs) {
    while (left[0] !== undefined && left[0].atMs <= nowMs) chaos.faults.begin(left.shift() as Planned);
    if (minutes.isOver()) minutes.end(chaos, load);
    if (nowMs - shownMs >= PROGRESS_MS) {
      shownMs = nowMs;
      showProgress(chaos, load);
    }
    await delay(STEP_MS);
  }
  await chaos.faults.ended();
  minutes.end(chaos, load);
}

function verdicts({ history, faults }: Chaos, { judged }: Audited, refusals: ReadonlyMap<string, number>): void {
  const write = orders.json ? console.error : console.log;
  const rules = new Table({
    head: ['rule', 'judged', 'violations', 'says'],
    colWidths: [14, 8, 12, 72],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const [rule, text] of Object.entries(RULES) as [Rule, string][]) {
    const broken = history.violations.filter((violation) => violation.rule === rule).length;
    rules.push([rule, judged[rule], broken, text]);
  }
  write(rules.toString());
  write(`faults that happened: ${FAULT_KINDS.map((kind) => `${kind} ${faults.counts[kind]}`).join(', ')}`);
  write(
    `answers that were no success: ${[...refusals].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'}`,
  );
  for (const { rule, text } of history.violations) write(`VIOLATION of ${rule}: ${text}`);
}

async function main(): Promise<number> {
  const chaos = await build();
  const { lab, links, network, history, faults } = chaos;
  const kinds = kindsHere(lab);
  const netem = (await lab.hasNetem()) ? 'the kernel has netem, which is not used' : 'the kernel has no netem';
  say(`seed ${orders.seed}; links by the proxy in user space, loss and partitions by nftables; ${netem}`);
  say(
    `starting ${VALIDATORS} validators and ${PARTICIPANTS_IN.length} banks' own nodes, each in its network namespace`,
  );
  const world = await openWorld(network);
  const banks = await addParticipants(chaos, world);
  const load = new Load({
    banks,
    network: world.id,
    nodes: network.nodes,
    history,
    seed: orders.seed,
    rate: orders.rate,
  });
  load.start();
  const totalMs = orders.minutes * MINUTE_MS;
  const plan = planFaults({ seed: orders.seed, totalMs, nodes: NODES, smallDisks: SMALL_DISKS, kinds });
  await breakThings(chaos, load, plan);
  const audited = await audit({ network, load, history, seed: orders.seed, say });
  const ways = network.nodes.flatMap((_, from) => network.nodes.map((__, to) => [from, to] as const));
  const { latenessMs } = await links.ask({ type: 'tell', ways });
  const lateMs = { p50: rounded(percentileOf(latenessMs, 0.5)), p99: rounded(percentileOf(latenessMs, 0.99)) };
  verdicts(chaos, audited, load.refusals);
  say(`links kept their latency: late by ${lateMs.p50 ?? '-'} ms at p50, ${lateMs.p99 ?? '-'} ms at p99`);
  const never = kinds.filter((kind) => plan.some(({ fault }) => fault.kind === kind) && faults.counts[kind] === 0);
  if (never.length > 0) say(`HAD NO EFFECT: ${never.join(', ')}`);
  const isProven = never.length === 0 || orders.minutes < LONG_MINUTES;
  await network.stop();
  await links.close();
  const violations = history.violations.map(({ rule, text }) => `${rule}: ${text}`);
  const { acknowledged, final } = audited;
  const { minutes, seed, json } = orders;
  const skipped = FAULT_KINDS.filter((kind) => !kinds.includes(kind));
  const summary = {
    minutes,
    faults: faults.counts,
    acknowledged,
    final,
    violations,
    seed,
    height: history.height,
    never,
    skipped,
    lateMs,
  };
  if (json) console.log(JSON.stringify(summary));
  else
    console.log(
      `${acknowledged} acknowledged, ${final} final, ${violations.length} violations, ${never.length} kinds of fault without effect, seed ${seed}`,
    );
  return violations.length === 0 && isProven ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  say((error as Error).stack ?? String(error));
  if (orders.json) console.log(JSON.stringify({ error: (error as Error).message, seed: orders.seed }));
  process.exit(1);
}
