/** `npm start`: four central banks' validators on this machine, a PvP between two banks, and the network to try things on. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { LocalNetwork } from './network/network.js';
import { describe } from './network/processes.js';
import { settleOnce } from './network/steps.js';

/** A terminal's Ctrl-C reaches this process from the terminal and from npm: what comes so soon is the same. */
const SAME_SIGNAL_MS = 1_000;

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, import.meta.url.endsWith('.ts') ? '..' : '../..');

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

async function settleAndStay(network: LocalNetwork, told: Promise<'told'>): Promise<void> {
  if ((await Promise.race([settleOnce(network, 'lines'), told])) === 'told') return;
  const table = new Table({ head: ['validator', 'HTTP', 'documentation'], style: { head: [], border: [] } });
  for (const { party, url } of network.members) table.push([party, url, `${url}/openapi.json`]);
  console.log(table.toString());
  console.log(`The ledger, the keys and the receipt are in ${network.dir}. Ctrl-C stops the network.`);
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
    console.log('Stopping.');
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  } finally {
    await network.stop();
  }
}

process.exit(await main());
