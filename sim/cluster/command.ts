/** `sim up`, and what is done to the cluster that it starts: containers of this machine's engine, until `sim down`. */
import { join, resolve } from 'node:path';
import Table from 'cli-table3';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Listr, type ListrTask } from 'listr2';
import { readWhole } from '../../node/cli/arguments.js';
import { EXITS } from '../../node/main/exits.js';
import { TIME_SCALE_MAX } from '../../protocol/limits.js';
import { Random } from '../random.js';
import { writable } from '../report/writable.js';
import { Book } from '../scenario/book.js';
import { type Broken, WHOLE } from '../scenario/broken.js';
import { castOf, companyOf } from '../scenario/cast.js';
import { IMAGE, loadScenario, NEXT_IMAGE, reasonAgainst, tellRun } from '../scenario/command.js';
import type { Scenario } from '../scenario/file.js';
import { openNetwork } from '../scenario/opening.js';
import { play } from '../scenario/play.js';
import { Teller } from '../scenario/teller.js';
import { Watch } from '../scenario/watch.js';
import { Cluster, type Spec } from './cluster.js';
import { docker, ensureImage, ensureNextImage, reasonWithoutEngine } from './engine.js';

const FOLDER = '.causeway/sim';
const [BANKS_MAX, VALIDATORS] = [24, 'HK,CN,TH,AE'];
const [LATENCY_MS_MAX, PER_MILLE_MAX, KILOBYTES_MAX] = [60_000, 1_000, 1_000_000];

interface Up {
  readonly jurisdictions: readonly string[];
  readonly banks: number;
  readonly bankNodes: number;
  readonly validatorsPerJurisdiction: number;
  readonly profile: Scenario['profile'];
  readonly image: string;
  readonly seed: number;
  readonly testTimeScale?: number;
}
interface Common {
  readonly dir: string;
  readonly json: boolean;
}

/** What a command came to: JSON for programs, text for people, and its exit status. */
interface Told {
  readonly value: object;
  readonly text: string;
  readonly status?: number;
}

class Refusal extends Error {
  readonly code: string;
  constructor(code: string, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

const codes = (text: string): readonly string[] => {
  const list = text.split(',');
  if (list.every((code) => /^[A-Z]{2}$/.test(code))) return list;
  throw new InvalidArgumentError('It must be jurisdictions of two capital letters with commas between, as HK,CN.');
};

export function clusterCommands(program: Command): void {
  const add = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--dir <folder>', 'where the cluster keeps what it is', FOLDER)
      .option('--json', 'one line of JSON', false);
  add('up', 'Start a cluster of containers. Example: npm run sim -- up --jurisdictions HK,CN,TH,AE --banks 5')
    .option('--jurisdictions <codes>', 'each with a central bank that runs a validator', codes, codes(VALIDATORS))
    .option('--banks <n>', 'commercial banks in each', readWhole(0, BANKS_MAX), 5)
    .option('--bank-nodes <n>', 'how many of them run a node of their own', readWhole(0, BANKS_MAX), 1)
    .option(
      '--validators-per-jurisdiction <n>',
      'the central bank, and banks beside it',
      readWhole(1, 1 + BANKS_MAX),
      1,
    )
    .addOption(
      new Option('--profile <profile>', 'links between jurisdictions').choices(['lan', 'wan', 'poor']).default('wan'),
    )
    .option('--image <image>', 'of the nodes; built if it is not there', IMAGE)
    .option('--seed <n>', 'of the jitter of links', readWhole(1, 2 ** 31 - 1), 1)
    .option(
      '--test-time-scale <n>',
      'network time that runs so many times faster than clocks',
      readWhole(1, TIME_SCALE_MAX),
    )
    .action(carryOut(up));
  add('status', 'Where its nodes are, and how they are.').action(carryOut(status));
  add('down', 'End it, and remove its containers, networks, keys and data.').action(carryOut(down));
  add('logs', "Print the end of a node's log. Example: npm run sim -- logs HK")
    .argument('<node>', "HK its validator, HK-1 its first bank's own")
    .option('--tail <n>', 'so many lines', readWhole(1, 100_000), 100)
    .action(carryOut(logs));
  add('partition', 'Cut links between jurisdictions until `heal`. Example: npm run sim -- partition "HK|CN,TH,AE"')
    .argument('<sides>', 'jurisdictions on each side')
    .action(carryOut(partition));
  add('slow', 'Make all links of nodes worse until `heal`. Example: npm run sim -- slow TH --latency 300 --loss 20')
    .argument('<nodes>', 'HK, or HK-1; several with commas between')
    .option('--latency <ms>', 'more, one way', readWhole(0, LATENCY_MS_MAX), 0)
    .option('--jitter <ms>', 'at most so much besides', readWhole(0, LATENCY_MS_MAX), 0)
    .option(
      '--loss <n>',
      'of a thousand pieces that pass, so many wait as if sent again',
      readWhole(0, PER_MILLE_MAX),
      0,
    )
    .option('--bandwidth <kB/s>', 'at most so much', readWhole(1, KILOBYTES_MAX))
    .action(carryOut(slow));
  add('kill', 'End nodes at once, as by a loss of power. Example: npm run sim -- kill AE')
    .argument('<nodes>', 'HK, or HK-1; several with commas between')
    .action(carryOut(kill));
  add('heal', 'Mend all links and start the nodes that are down.').action(carryOut(heal));
  add('exec', 'Play a scenario on the cluster. Example: npm run sim -- exec gridlock')
    .argument('<scenario>', 'one of the library, or a file')
    .option('--seed <n>', 'of what banks draw', readWhole(1, 2 ** 31 - 1), 1)
    .option('--next-image <image>', 'of containers that are upgraded; built if it is not there', NEXT_IMAGE)
    .option('--out <file>', 'write the report there, one HTML file', writable)
    .action(carryOut(exec));
}

/** Runs a command's work and tells what it came to; a refusal is a sentence and a status. */
const carryOut =
  <Args extends readonly unknown[]>(work: (...args: Args) => Promise<Told>) =>
  async (...given: readonly unknown[]): Promise<void> => {
    const { json } = given.at(-2) as Common;
    try {
      const { value, text, status: ended = 0 } = await work(...(given.slice(0, -1) as unknown as Args));
      console.log(json ? JSON.stringify(value) : text);
      process.exitCode = ended;
    } catch (error) {
      const { message } = error as Error;
      const code = error instanceof Refusal ? error.code : 'failed';
      if (json) console.log(JSON.stringify({ error: { code, detail: message } }));
      else console.error(message);
      process.exitCode = error instanceof Refusal ? EXITS.usage.status : 1;
    }
  };

const dirOf = ({ dir }: Common): string => resolve(dir);

function standing(options: Common): Cluster {
  if (!Cluster.isIn(dirOf(options)))
    throw new Refusal('no_cluster', `No cluster stands in ${dirOf(options)}. Start one with \`sim up\`.`);
  return Cluster.open(dirOf(options));
}

async function up(options: Up & Common): Promise<Told> {
  const dir = dirOf(options);
  if (Cluster.isIn(dir)) throw new Refusal('exists', `A cluster stands in ${dir} already. End it with \`sim down\`.`);
  const spec: Spec = {
    title: 'A cluster for trying',
    profile: options.profile,
    ...(options.testTimeScale !== undefined && { timeScale: options.testTimeScale }),
    jurisdictions: options.jurisdictions.map((code) => ({
      code,
      banks: options.banks,
      bankNodes: Math.min(options.banks, Math.max(options.bankNodes, options.validatorsPerJurisdiction - 1)),
      bankValidators: options.validatorsPerJurisdiction - 1,
    })),
  };
  const cast = companyOf(spec);
  if (!cast.ok) throw new Refusal(cast.code, `There can be no such cluster: ${cast.detail}.`);
  const reason = await reasonWithoutEngine();
  if (reason !== null) throw new Refusal('no_engine', `No container can run here. ${reason}`);
  let cluster: Cluster | null = null;
  await show(options.json, [
    {
      title: `The image ${options.image}`,
      task: (_, task) => ensureImage(options.image, (line) => void (task.output = line)),
    },
    {
      title: 'Networks of the jurisdictions, the border between them, and containers',
      task: async () => {
        const names = { project: `causeway-${Date.now().toString(36)}`, image: options.image, faketime: null };
        cluster = await Cluster.create(dir, names, spec, options.seed);
      },
    },
    {
      title: 'Nodes start, currencies are defined, banks admitted',
      task: () => open(cluster as unknown as Cluster),
    },
  ]);
  return tableOf(Cluster.open(dir));
}

async function show(isSilent: boolean, tasks: ListrTask[]): Promise<void> {
  const renderer = isSilent ? 'silent' : process.stdout.isTTY ? 'default' : 'simple';
  await new Listr(tasks, { renderer, registerSignalListeners: false }).run();
}

/** The nodes start and the ledger is opened; a scenario adds its own money. */
async function open(cluster: Cluster): Promise<void> {
  const stage = await cluster.stage();
  try {
    const book = new Book();
    const watch = new Watch(stage, book);
    await openNetwork([], stage, new Teller(stage, book, new Random(Date.now() & 0x7fff_ffff)), watch);
    watch.stop();
  } finally {
    await stage.close();
  }
}

const status = (options: Common): Promise<Told> => tableOf(standing(options));

/** Every node with where it is, and how it stands. */
async function tableOf(cluster: Cluster): Promise<Told> {
  const stage = await cluster.stage();
  try {
    const nodes = await Promise.all(
      cluster.cast.seats.map(async ({ name, player, isValidator }, at) => {
        const [state, told] = [await cluster.stateOf(at), await stage.nodes[at]?.status()];
        const status = told?.ok === true ? told.value : null;
        return {
          name,
          party: player.party,
          role: isValidator ? 'validator' : 'participant',
          url: cluster.urlOf(at),
          container: cluster.containerOf(at),
          state,
          height: status?.height ?? null,
          peers: status?.peers ?? null,
          ready: status?.ready ?? false,
        };
      }),
    );
    const table = new Table({
      head: ['node', 'party', 'role', 'state', 'height', 'peers', 'ready', 'url'],
      style: { head: [], border: [] },
    });
    for (const { name, party, role, state, height, peers, ready, url } of nodes)
      table.push([name, party, role, state, height ?? '-', peers ?? '-', ready ? 'yes' : 'no', url]);
    const broken = brokenText(cluster);
    const { dir } = cluster.folder;
    const lines = [table.toString(), ...broken, `Keys of central banks and banks: ${join(dir, 'players')}`];
    return { value: { project: cluster.project, nodes, broken, folder: dir }, text: lines.join('\n') };
  } finally {
    await stage.close();
  }
}

function brokenText({ cast, broken }: Cluster): string[] {
  const names = (nodes: readonly number[]): string => nodes.map((at) => cast.seats[at]?.name).join(',');
  return [
    ...broken.cuts.map((sides) => `Cut: ${sides.map(names).join(' | ')}`),
    ...broken.worse.map(({ nodes, worse }) => `Slow: ${names(nodes)} ${JSON.stringify(worse)}`),
  ];
}

async function down(options: Common): Promise<Told> {
  const containers = await standing(options).remove();
  return { value: { containers }, text: `${containers} containers, their networks, keys and data are gone.` };
}

async function logs(node: string, options: Common & { readonly tail: number }): Promise<Told> {
  const cluster = standing(options);
  const [at] = nodesOf(cluster, node) as [number];
  const lines: string[] = [];
  await docker(['logs', '--tail', `${options.tail}`, cluster.containerOf(at)], (line) => lines.push(line));
  return { value: { node, lines: lines.map(entryOf) }, text: lines.join('\n') };
}

/** A line of a log, which is JSON unless the process said it on its way out. */
function entryOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function nodesOf({ cast }: Cluster, names: string): readonly number[] {
  const found = names.split(',').map((name) => cast.seats.findIndex((seat) => seat.name === name));
  if (!found.includes(-1)) return found;
  throw new Refusal('unknown_node', `${names} is not of ${cast.seats.map(({ name }) => name).join(', ')}.`);
}

/** Has the links as they are to be from now on. */
async function breakIt(cluster: Cluster, broken: Broken): Promise<Told> {
  cluster.remember(broken);
  const stage = await cluster.stage();
  try {
    await stage.relink();
  } finally {
    await stage.close();
  }
  const lines = brokenText(cluster);
  return { value: { broken: lines }, text: lines.length === 0 ? 'All links are whole.' : lines.join('\n') };
}

async function partition(sides: string, options: Common): Promise<Told> {
  const cluster = standing(options);
  const groups = sides.split('|').map((side) => side.split(','));
  const named = groups.flat();
  const there = [...new Set(cluster.cast.seats.map(({ player }) => player.jurisdiction))];
  if (groups.length < 2 || new Set(named).size < named.length || named.some((code) => !there.includes(code)))
    throw new Refusal(
      'unknown_side',
      `${sides} is not two sides or more, as HK|CN,TH, of jurisdictions that are there: ${there.join(', ')}, each once at most.`,
    );
  const cut = groups.map((side) => cluster.cast.nodesIn(side));
  return breakIt(cluster, { ...cluster.broken, cuts: [...cluster.broken.cuts, cut] });
}

interface Slow {
  readonly latency: number;
  readonly jitter: number;
  readonly loss: number;
  readonly bandwidth?: number;
}

async function slow(names: string, { latency, jitter, loss, bandwidth, ...options }: Slow & Common): Promise<Told> {
  const cluster = standing(options);
  const worse = { latencyMs: latency, jitterMs: jitter, lossPerMille: loss, kilobytesPerSecond: bandwidth ?? null };
  const one = { nodes: nodesOf(cluster, names), worse };
  return breakIt(cluster, { ...cluster.broken, worse: [...cluster.broken.worse, one] });
}

async function kill(names: string, options: Common): Promise<Told> {
  const cluster = standing(options);
  const stage = await cluster.stage();
  try {
    await stage.kill(nodesOf(cluster, names));
  } finally {
    await stage.close();
  }
  return { value: { killed: names.split(',') }, text: `${names}: ended.` };
}

async function heal(options: Common): Promise<Told> {
  const cluster = standing(options);
  cluster.remember(WHOLE);
  const stage = await cluster.stage();
  try {
    await stage.start(cluster.cast.seats.map((_, at) => at));
  } finally {
    await stage.close();
  }
  return { value: { broken: [] }, text: 'All links are whole, and all nodes run.' };
}

interface Exec {
  readonly seed: number;
  readonly nextImage: string;
  readonly out?: string;
}

async function exec(name: string, options: Exec & Common): Promise<Told> {
  const cluster = standing(options);
  const scenario = loadScenario(name);
  if (typeof scenario === 'string') throw new Refusal('bad_scenario', scenario);
  if (scenario.timeScale !== cluster.spec.timeScale) {
    const wanted = scenario.timeScale === undefined ? 'the time of clocks' : `a time scale of ${scenario.timeScale}`;
    throw new Refusal(
      'other_time',
      `${name} wants ${wanted}: start a cluster that has it (\`sim up --test-time-scale\`).`,
    );
  }
  // It happens on what stands: who there is and how far apart is the cluster's.
  const here = { ...scenario, ...cluster.spec, title: scenario.title };
  const cast = castOf(here);
  if (!cast.ok)
    throw new Refusal(cast.code, `${name} needs what the cluster has not: ${cast.detail}, at ${cast.pointer}.`);
  const reason = reasonAgainst(scenario, 'containers', false);
  if (reason !== null) throw new Refusal('other_world', reason);
  const isUpgrade = scenario.faults?.some(({ fault }) => fault === 'upgrade') === true;
  if (isUpgrade) await ensureNextImage(options.nextImage, (line) => console.error(line));
  const stage = await cluster.stage(cast.cast, isUpgrade ? options.nextImage : null);
  try {
    const run = await play(here, stage, options.seed, (line) => console.error(line));
    return { value: run, text: tellRun(run, options.out), status: run.failed.length === 0 ? 0 : 1 };
  } finally {
    await stage.close();
  }
}
