/**
 * `npm run browser`: the reports in a real browser, as people will see them: read from disk with the network off, light and
 * dark, narrow and wide. Nothing may be cut off, stand on something else, be out of reach of a screen reader, or complain.
 */
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import axe from 'axe-core';
import { Command } from 'commander';
import { type Browser, chromium, type Page as Tab } from 'playwright-core';
import { badWords, heldText, openAll, overflows } from './look.js';
import { type Page, pagesOf } from './pages.js';

/** The machine has no browser. */
const SKIPPED_STATUS = 77;
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const SCHEMES = ['light', 'dark'] as const;
const WIDTHS = [360, 1_400] as const;
const HEIGHT = 900;

interface Options {
  readonly screenshots?: string;
  readonly json: boolean;
}

const command = new Command('browser')
  .description('Looks at the reports in Chromium: light and dark, narrow and wide, with the network off.')
  .argument('[files...]', 'pages to look at; without them those of some runs are made')
  .option('--screenshots <folder>', 'save there what it looks like')
  .option('--json', 'one line of JSON at the end of standard output', false)
  .parse();

/** The browser of this machine, or null. */
function findBrowser(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What axe says of a page, in a line for each rule that is broken. */
interface AxeFound {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
declare const window: { readonly axe: { run(): Promise<AxeFound> } };

async function unreachables(tab: Tab): Promise<string[]> {
  // Not as an element of the page, which its own policy forbids.
  await tab.evaluate(axe.source);
  const { violations } = await tab.evaluate(() => window.axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html.slice(0, 160) ?? ''}`);
}

/** Everything that is wrong with a page in one setting. */
async function lookAt(tab: Tab, { run }: Page, file: string): Promise<string[]> {
  const found: string[] = [];
  tab.on('console', (message) => found.push(`the console says: ${message.text()}`));
  tab.on('pageerror', (error) => found.push(`an error: ${error.message}`));
  tab.on('request', (request) => {
    if (request.url() !== file) found.push(`it asks for ${request.url()}`);
  });
  await tab.goto(file);
  found.push(...(await tab.evaluate(overflows)), ...(await tab.evaluate(badWords)));
  await tab.evaluate(openAll);
  for (const each of await tab.evaluate(overflows)) found.push(`with its tables open: ${each}`);
  found.push(...(await unreachables(tab)));
  await tab.emulateMedia({ media: 'print' });
  for (const each of await tab.evaluate(badWords)) found.push(`in print: ${each}`);
  if (run !== null && !isDeepStrictEqual(JSON.parse((await tab.evaluate(heldText)) ?? 'null'), plain(run)))
    found.push('it does not hold its run');
  return found;
}

const plain = (run: object): unknown => JSON.parse(JSON.stringify(run));

async function lookInAll(browser: Browser, page: Page, folder: string, screenshots: string | null): Promise<string[]> {
  const path = join(folder, `${page.name}.html`);
  writeFileSync(path, page.html);
  const found: string[] = [];
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const setting = `${page.name}-${colorScheme}-${width}`;
      const context = await browser.newContext({ colorScheme, viewport: { width, height: HEIGHT }, offline: true });
      const tab = await context.newPage();
      if (screenshots !== null) {
        await tab.goto(pathToFileURL(path).href);
        await tab.screenshot({ path: join(screenshots, `${setting}.png`), fullPage: true });
      }
      for (const each of await lookAt(tab, page, pathToFileURL(path).href)) found.push(`${setting}: ${each}`);
      await context.close();
    }
  }
  return found;
}

async function main(): Promise<number> {
  const { screenshots, json } = command.opts<Options>();
  const executablePath = findBrowser();
  if (executablePath === null) {
    const skipped = `none of ${NAMES.join(', ')} is installed here`;
    console.error(`SKIPPED browser: ${skipped}`);
    if (json) console.log(JSON.stringify({ skipped }));
    return SKIPPED_STATUS;
  }
  const shots = screenshots === undefined ? null : resolve(screenshots);
  if (shots !== null) mkdirSync(shots, { recursive: true });
  const files = command.args.map((file) => ({
    name: basename(file, '.html'),
    html: readFileSync(file, 'utf8'),
    run: null,
  }));
  const pages = files.length > 0 ? files : await pagesOf();
  const folder = mkdtempSync(join(tmpdir(), 'causeway-browser-'));
  const args = ['--disable-background-networking', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
  const browser = await chromium.launch({ executablePath, args });
  const problems: string[] = [];
  try {
    for (const page of pages) {
      const found = await lookInAll(browser, page, folder, shots);
      problems.push(...found);
      console.error(`${found.length === 0 ? 'ok    ' : 'FAILED'} ${page.name}`);
    }
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
  for (const each of problems) console.error(each);
  const looks = pages.length * SCHEMES.length * WIDTHS.length;
  if (json) console.log(JSON.stringify({ pages: pages.map(({ name }) => name), looks, problems }));
  else console.log(`${looks} looks at ${pages.length} pages; ${problems.length} problems`);
  return problems.length === 0 ? 0 : 1;
}

process.exit(await main());
