/**
 * `npm run demo`: what `npm start` shows, on a network that is made for it and removed again. With --json the last line
 * of standard output says what came of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from './network/acts.js';
import { LocalNetwork } from './network/network.js';
import { describe } from './network/processes.js';
import { settleOnce } from './network/steps.js';

const asJson = process.argv.includes('--json');

async function demonstrate(network: LocalNetwork): Promise<object> {
  const { pvp, checked, conserved } = await settleOnce(network, asJson ? 'silent' : 'lines');
  const statuses = await Promise.all(network.nodes.map(async ({ client }) => need(await client.getStatus())));
  return {
    nodes: network.members.length,
    participants: network.nodes.length - network.members.length,
    validators: Math.max(...statuses.map(({ validators }) => validators)),
    height: Math.max(...statuses.map(({ height }) => height)),
    pvp: { digest: pvp.digest, status: pvp.code, height: pvp.height, finalityMs: pvp.finalityMs },
    conservation: conserved,
    certificateVerified: checked.verified,
  };
}

/** Rejects when the process is told to stop. */
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => reject(new Error(`ended by ${signal}`)));
  }
});

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-demo-'));
  let network: LocalNetwork | null = null;
  try {
    network = await LocalNetwork.open(join(folder, 'network'), ({ party }, exit, lastLines) => {
      console.error([`${party}: ${describe(exit)}`, ...lastLines].join('\n'));
    });
    const result = await Promise.race([demonstrate(network), interrupted]);
    if (asJson) console.log(JSON.stringify(result));
    return 0;
  } catch (error) {
    const { message } = error as Error;
    if (asJson) console.log(JSON.stringify({ error: message }));
    else console.error(message);
    return 1;
  } finally {
    await network?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(await main());
