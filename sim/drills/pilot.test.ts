/**
 * The pilot of mBridge as README.md shows it, at full length, on processes and on containers. Containers want an engine
 * that answers (`deploy/engine.sh`), and where nothing can be pulled a base image (`deploy/base-image.sh`, then
 * `CAUSEWAY_BASE` with its name).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { reasonWithoutEngine } from '../cluster/engine.js';

/** Past this a command has hung; an image may have to be built. */
const COMMAND_MS_MAX = 600_000;
const REPORT = 'pilot.html';

t.setTimeout(3 * COMMAND_MS_MAX);
startPlainly();

const root = inCheckout('.');
const commands = readFileSync(join(root, 'README.md'), 'utf8').match(/^npm run sim -- scenario mbridge.*$/gm) ?? [];
const folder = mkdtempSync(join(tmpdir(), 'causeway-pilot-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a line of the README from the root; its report goes elsewhere. */
function run(command: string): Promise<{ readonly status: number | null; readonly printed: string }> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = command.replace(REPORT, join(folder, REPORT)).split(' ');
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], timeout: COMMAND_MS_MAX });
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, printed }));
  });
}

const engine = await reasonWithoutEngine();
const short = process.env['RUNBOOK'] === undefined ? null : 'SKIPPED: RUNBOOK asks for some pages alone';

for (const world of ['processes', 'containers']) {
  const isHere = world !== 'containers' || engine === null;
  const skip = short ?? (isHere ? false : `SKIPPED: no container can run here. ${engine}`);
  t.test(`four jurisdictions with five banks each play the pilot on ${world}`, { skip }, async (t) => {
    const [command = '', ...more] = commands.filter((line) => line.includes(`--world ${world} `));
    t.strictSame(more, []);
    const { status, printed } = await run(command);
    t.equal(status, 0, printed);
    t.match(printed, /^All checks and expectations hold\.$/m);
    const report = readFileSync(join(folder, REPORT), 'utf8');
    t.match(report, 'Six weeks of a pilot among four central banks and twenty banks');
    t.match(report, 'HK|CN,TH,AE', 'with a partition in the middle');
  });
}
