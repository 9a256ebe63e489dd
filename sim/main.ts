/** `npm run sim`, `causeway sim`: the virtual world, what it finds, and whether it would find what it should; scenarios, and clusters. */
import { Command } from 'commander';
import { EXITS } from '../node/main/exits.js';
import { clusterCommands } from './cluster/command.js';
import { fuzzCommand } from './fuzz/command.js';
import { speedCommand } from './fuzz/speed.js';
import { liquidityCommand } from './liquidity/command.js';
import { modelCommand } from './model/command.js';
import { mutantsCommand } from './mutants/command.js';
import { scenarioCommand } from './scenario/command.js';

const program = new Command('sim')
  .description(
    'Break the network: in a virtual world, where a seed decides the run, on processes, and on clusters of containers.',
  )
  .showHelpAfterError();
fuzzCommand(program);
mutantsCommand(program);
speedCommand(program);
modelCommand(program);
liquidityCommand(program);
scenarioCommand(program);
clusterCommands(program);
// As everywhere on the command line, what was asked for wrongly ends with the status of wrong use.
for (const command of [program, ...program.commands]) {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXITS.usage.status));
}
await program.parseAsync();
