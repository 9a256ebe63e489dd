/** The way from nothing to a final PvP, as steps that are shown while they happen. */
import { Listr, type ListrTask } from 'listr2';
import {
  admitBanks,
  type Checked,
  CURRENCIES,
  checkOffline,
  defineCurrencies,
  type Final,
  fundBanks,
  isConserved,
  receiptFileOf,
  settlePvp,
  startBankNodes,
  untilReady,
  untilSeen,
} from './acts.js';
import { type Bank, openBanks } from './banks.js';
import type { LocalNetwork } from './network.js';

export interface Settled {
  readonly pvp: Final;
  readonly checked: Checked;
  /** Whether all accounts of each asset sum to zero on every node. */
  readonly conserved: boolean;
}

interface Step {
  readonly title: string;
  /** Gives the title once it is done. */
  readonly run: () => Promise<string>;
}

/** `lines` are for people, one for each step; a terminal sees them move. `silent` says nothing. */
export type Showing = 'lines' | 'silent';

/** Starts the nodes and settles a PvP between two banks; what stands on the ledger already is left as it is. */
export async function settleOnce(network: LocalNetwork, showing: Showing): Promise<Settled> {
  let banks: readonly [Bank, Bank] | null = null;
  const bankPair = async (): Promise<readonly [Bank, Bank]> => (banks ??= await openBanks(network));
  let pvp: Final | null = null;
  let checked: Checked | null = null;
  let conserved = false;
  const steps: readonly Step[] = [
    {
      title: `Starting ${network.members.length} validators, each a process`,
      run: async () => {
        await Promise.all([network.start(), bankPair()]);
        await untilReady(network.members);
        return `${network.members.length} validators are connected: ${network.members.map(({ party }) => party).join(', ')}`;
      },
    },
    {
      title: 'Defining the currencies',
      run: async () =>
        said(await defineCurrencies(network), `Currencies: ${CURRENCIES.map(({ asset }) => asset).join(', ')}`),
    },
    {
      title: 'Admitting the banks',
      run: async () => {
        const both = await bankPair();
        const names = both.map(({ party, signer }) => `${party} (${signer.alg})`).join(', ');
        return said(await admitBanks(network, both), `Banks, each with its own key: ${names}`);
      },
    },
    {
      title: "Starting the banks' own nodes, which follow and check the ledger",
      run: async () => {
        const both = await bankPair();
        const names = both.map(({ party }) => party).join(', ');
        return said(await startBankNodes(network, both), `Each bank's own node follows the ledger: ${names}`);
      },
    },
    {
      title: 'Issuing',
      run: async () => said(await fundBanks(network, await bankPair()), 'Central bank money issued to both banks'),
    },
    {
      title: 'Settling HKD against THB',
      run: async () => {
        pvp = await settlePvp(network, await bankPair());
        return `PvP ${pvp.code} in block ${pvp.height}, final ${pvp.finalityMs} ms after it was sent: ${pvp.digest}`;
      },
    },
    {
      title: 'Checking the receipt offline, in a process that has only the genesis file',
      run: async () => {
        const { digest } = need(pvp);
        // The other bank's node has it from the ledger alone.
        const [, bangkok] = await bankPair();
        const home = network.homeOf(bangkok);
        await untilSeen([home], digest);
        checked = await checkOffline(network, home, digest, receiptFileOf(network));
        return `Receipt checked offline: ${checked.code} in block ${checked.height}, certified by ${checked.signers.join(', ')}`;
      },
    },
    {
      title: 'Summing all accounts on every node',
      run: async () => {
        const { digest, height } = need(pvp);
        await untilSeen(network.nodes, digest);
        conserved = await isConserved(network.nodes, height);
        if (!conserved) throw new Error('The accounts of an asset do not sum to zero.');
        return 'All accounts of each asset sum to zero on every node';
      },
    },
  ];
  await show(steps, showing);
  return { pvp: need<Final>(pvp), checked: need<Checked>(checked), conserved };
}

const said = (acts: readonly Final[], text: string): string =>
  acts.length === 0
    ? `${text} (on the ledger already)`
    : `${text} (block ${Math.max(...acts.map(({ height }) => height))})`;

/** What an earlier step left. */
function need<T>(value: T | null): T {
  if (value === null) throw new Error('a step came before the one that it needs');
  return value;
}

async function show(steps: readonly Step[], showing: Showing): Promise<void> {
  const tasks = steps.map(
    ({ title, run }): ListrTask => ({
      title,
      task: async (_, task) => {
        task.title = await run();
      },
    }),
  );
  const renderer = showing === 'silent' ? 'silent' : process.stdout.isTTY ? 'default' : 'simple';
  // Signals are the program's own: it has processes to end.
  await new Listr(tasks, { renderer, registerSignalListeners: false }).run();
}
