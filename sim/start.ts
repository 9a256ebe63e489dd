/**
 * `npm start`: four central banks' validators and two banks' own nodes on this machine, a PvP between the banks, and the
 * network to try things on. With --json a line of standard output says where it is, once it is up.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { need } from './network/acts.js';
import { LocalNetwork, type Member } from './network/network.js';
import { describe } from './network/processes.js';
import { settleOnce } from './network/steps.js';

/** A terminal's Ctrl-C reaches this process from the terminal and from npm: what comes so soon is the same. */
const SAME_SIGNAL_MS = 1_000;

const asJson = process.argv.includes('--json');
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');

/** Resolves at the first signal; a later one ends the process at once, and with its channels the nodes. */
function untilTold(): Promise<'told'> {
  return new Promise((resolve) => {
    let firstMs: number | null = null;
    const onSignal = (): void => {
      if (firstMs !== null && performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(130);
      firstMs ??= performance.now();
      resolve('told');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

/** Where each node is, and where it stands. */
async function standingOf({ party, url, client }: Member): Promise<{
  readonly party: string;
  readonly role: 'validator' | 'participant';
  readonly epoch: number;
  readonly height: number;
  readonly url: string;
}> {
  const [{ epoch, height }, { validators }] = [need(await client.getStatus()), need(await client.getValidators())];
  return { party, role: validators.some(({ self }) => self) ? 'validator' : 'participant', epoch, height, url };
}

async function settleAndStay(network: LocalNetwork, told: Promise<'told'>): Promise<void> {
  const settled = await Promise.race([settleOnce(network, asJson ? 'silent' : 'lines'), told]);
  if (settled === 'told') return;
  const nodes = await Promise.all(network.nodes.map(standingOf));
  if (asJson) {
    const { pvp, conserved, checked } = settled;
    console.log(JSON.stringify({ dir: network.dir, nodes, pvp, conserved, certificateVerified: checked.verified }));
  } else {
    const table = new Table({ head: ['node', 'role', 'epoch', 'height', 'HTTP'], style: { head: [], border: [] } });
    for (const { party, role, epoch, height, url } of nodes) table.push([party, role, epoch, height, url]);
    console.log(table.toString());
    console.log("Each node's documentation is at /openapi.json.");
    console.log(`The ledger, the keys and the receipt are in ${network.dir}. Ctrl-C stops the network.`);
  }
  await told;
}

async function main(): Promise<number> {
  const told = untilTold();
  mkdirSync(join(root, '.causeway'), { recursive: true });
  const network = await LocalNetwork.open(join(root, '.causeway', 'network'), ({ party }, exit, lastLines) => {
    console.error([`${party}: ${describe(exit)} Its last lines:`, ...lastLines.map((line) => `  ${line}`)].join('\n'));
  });
  try {
    await settleAndStay(network, told);
    if (!asJson) console.log('Stopping.');
    return 0;
  } catch (error) {
    const { message } = error as Error;
    if (asJson) console.log(JSON.stringify({ error: message }));
    else console.error(message);
    return 1;
  } finally {
    await network.stop();
  }
}

process.exit(await main());
