/** Arguments from text. Each reader returns the value or throws commander's own error, which names the option and ends in a usage message. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DAY_MS, formatAmount, formatTime, parseDay, parseTime } from '../../protocol/values.js';

function matching(pattern: RegExp, wanted: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new InvalidArgumentError(`It must be ${wanted}.`);
    return text;
  };
}

const BIC_WANTED = 'a BIC of eleven characters in upper case, as HKMAHKHHXXX';
export const readBic = matching(/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{5}$/, BIC_WANTED);
export const readDigest = matching(/^[0-9a-f]{64}$/, 'a digest, 64 lower-case hex digits');
export const readHash = matching(/^[0-9a-f]{64}$/, 'a SHA-256, 64 lower-case hex digits');
export const readAsset = matching(/^[A-Z][A-Z0-9]{2,11}(\.[A-Z0-9]{1,11})?$/, 'an asset code, as HKD');
export const readAmount = matching(
  /^(0|[1-9][0-9]{0,28})(\.[0-9]{1,18})?$/,
  'a decimal number in major units without sign, separators or leading zeros, as 1000000.00',
);
export const readJurisdiction = matching(/^[A-Z]{2}$/, 'a country code of two capitals (ISO 3166-1), as HK');

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidArgumentError("It must be a node's address, as http://127.0.0.1:8080.");
  }
  return text;
}

export function readWhole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

export function readDate(text: string): string {
  if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) && parseDay(text) !== null) return text;
  throw new InvalidArgumentError('It must be a date, as 2026-01-05.');
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS };

/** Past any date that a payload may have, and short of the year 10000. */
const FAR_MS = 1_000 * DAY_MS;

/** A moment as RFC 3339 in UTC. */
export function readInstant(text: string): string {
  if (parseTime(text) !== null) return text;
  throw new InvalidArgumentError('It must be a time in UTC, as 2026-01-05T09:30:00Z.');
}

/** A span as `90s`, `10m`, `2h`, `1d`, in milliseconds; null for any other text. */
function spanMs(text: string): number | null {
  const span = /^([1-9][0-9]{0,6})([smhd])$/.exec(text);
  return span === null ? null : Number(span[1]) * (UNIT_MS[span[2] as string] as number);
}

/** A moment as RFC 3339 in UTC, or from now: `90s`, `10m`, `2h`, `1d`. What now is the network says: `withMoments` fills it in. */
export function readMoment(text: string): string {
  if ((spanMs(text) ?? FAR_MS) < FAR_MS || parseTime(text) !== null) return text;
  throw new InvalidArgumentError(
    'It must be a time in UTC, as 2026-01-05T09:30:00Z, or one from now, as 90s, 10m, 2h or 1d.',
  );
}

const MOMENTS: ReadonlySet<string> = new Set(['notBefore', 'cancelUntil', 'cutoff', 'settleBy', 'lockUntil']);

/** What an instruction asks, its moments from now as times. */
export const withMoments = <T extends object>(asked: T, nowMs: number): T =>
  JSON.parse(JSON.stringify(asked), (name, value: unknown) => {
    const span = MOMENTS.has(name) && typeof value === 'string' ? spanMs(value) : null;
    return span === null ? value : formatTime(nowMs + span);
  }) as T;

export interface LegText {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly amount: string;
}

/** `FROM:TO:ASSET:AMOUNT`. */
export function readLeg(text: string): LegText {
  const [from = '', to = '', asset = '', amount = '', ...rest] = text.split(':');
  if (rest.length > 0 || amount === '') {
    throw new InvalidArgumentError('It must be FROM:TO:ASSET:AMOUNT, as HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00.');
  }
  return { from: readBic(from), to: readBic(to), asset: readAsset(asset), amount: readAmount(amount) };
}

/** A leg's amount and another, exactly: the decimals of both. */
export function sumOf(a: string, b: string): string {
  const decimals = Math.max(decimalsOf(a), decimalsOf(b));
  return formatAmount(minorOf(a, decimals) + minorOf(b, decimals), decimals);
}
/** A leg's amount less another; null where that is more. */
export function differenceOf(a: string, b: string): string | null {
  const decimals = Math.max(decimalsOf(a), decimalsOf(b));
  const left = minorOf(a, decimals) - minorOf(b, decimals);
  return left < 0n ? null : formatAmount(left, decimals);
}
function minorOf(text: string, decimals: number): bigint {
  const [whole = '', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(decimals, '0'));
}
const decimalsOf = (text: string): number => text.split('.')[1]?.length ?? 0;

export const gatherLegs = (text: string, before: readonly LegText[] = []): readonly LegText[] => [
  ...before,
  readLeg(text),
];

export const gather = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const DEFAULT_NODE = 'http://127.0.0.1:8080';

/** The options of every command that asks a node. */
export const withNode = (command: Command): Command =>
  command.addOption(
    new Option('--node <url>', 'address of the node').env('CAUSEWAY_NODE').default(DEFAULT_NODE).argParser(readUrl),
  );

export interface NodeOptions {
  readonly node: string;
}
