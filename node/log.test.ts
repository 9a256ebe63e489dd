/** The log and the clock of production. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createClock } from './clock.js';
import { createLog } from './log.js';

t.test('lines are JSON with time, level and party, and no secret', (t) => {
  const file = join(t.testdir(), 'log');
  const fileDescriptor = openSync(file, 'w');
  t.teardown(() => closeSync(fileDescriptor));
  const log = createLog({ level: 'info', party: 'HKMAHKHHXXX', fileDescriptor });
  const secret = 'f00d';
  log.debug({}, 'below the level');
  log.info({ seed: secret, height: 3, deep: { privateKey: secret, deeper: [{ key: secret, kid: 'kept' }] } }, 'told');
  log.error({ error: new Error('a cause') }, 'failed');
  log.warn({ peers: { secret } }, 'warned');
  const text = readFileSync(file, 'utf8');
  t.notMatch(text, secret);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  t.match(lines, [
    {
      level: 'info',
      party: 'HKMAHKHHXXX',
      time: /^\d{4}-.*Z$/,
      height: 3,
      deep: { deeper: [{ kid: 'kept' }] },
      msg: 'told',
    },
    { level: 'error', error: { message: 'a cause', stack: /log\.test/ }, msg: 'failed' },
    { level: 'warn', peers: { secret: '[redacted]' } },
  ]);
  t.equal(lines.length, 3);
  t.end();
});

t.test('a timer calls once, unless it is cancelled', async (t) => {
  const clock = createClock();
  t.ok(Number.isSafeInteger(clock.now()));
  const called: string[] = [];
  clock.after(1, () => called.push('cancelled'))();
  // A server would keep the process alive; here this does.
  const alive = setInterval(() => undefined, 1_000);
  await new Promise<void>((resolve) => {
    clock.after(-5, () => called.push('at once'));
    clock.after(5, () => {
      called.push('later');
      resolve();
    });
    clock.after(2 ** 40, () => called.push('in years'));
  });
  clearInterval(alive);
  t.same(called, ['at once', 'later']);
});
