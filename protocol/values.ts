/** Times, amounts and identifiers of a payload, read and written exactly, with no arithmetic but integers. */
import { AMOUNT_MINOR_MAX } from './limits.js';
import type { AmountMinor, TimestampMs } from './types.js';

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/;
const AMOUNT = /^(0|[1-9][0-9]{0,28})(?:\.([0-9]{1,18}))?$/;
export const DAY_MS = 86_400_000;

/**
 * Milliseconds of an RFC 3339 time in UTC: upper-case T and Z, at most three decimals, a date that the calendar has,
 * from 1970 on; no leap second. Null for anything else.
 */
export function parseTime(text: string): TimestampMs | null {
  if (!TIME.test(text)) return null;
  const [year, month, day] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)];
  const [hour, minute, second] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, 19)];
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  // From the point, if there is one, to the Z: one to three digits, as thousandths.
  const decimals = Math.max(0, text.length - 21);
  const milliseconds = digits(text, 20, 20 + decimals) * ([0, 100, 10, 1][decimals] as number);
  return (daysSinceEpoch(year, month, day) * DAY_MS +
    hour * 3_600_000 +
    minute * 60_000 +
    second * 1000 +
    milliseconds) as TimestampMs;
}

/** Days from 1970-01-01 of an ISO 8601 date that the calendar has, as `2026-01-05`; null for anything else. */
export function parseDay(text: string): number | null {
  const time = parseTime(`${text}T00:00:00Z`);
  return time === null ? null : time / DAY_MS;
}
/** The ISO 8601 date of a day counted from 1970-01-01. */
export const formatDay = (day: number): string => formatTime(day * DAY_MS).slice(0, 10);

function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = 10 * value + text.charCodeAt(at) - 48;
  return value;
}

/** The RFC 3339 text of a time from 1970 to 9999, always with three decimals. */
export function formatTime(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  const { year, month, day } = dateOf(days);
  const ofDay = ms - days * DAY_MS;
  const pad = (value: number, width: number) => String(value).padStart(width, '0');
  const clock = [Math.floor(ofDay / 3_600_000), Math.floor(ofDay / 60_000) % 60, Math.floor(ofDay / 1000) % 60]
    .map((part) => pad(part, 2))
    .join(':');
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${clock}.${pad(ofDay % 1000, 3)}Z`;
}

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
const daysOfMonth = (year: number, month: number): number =>
  month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;

/** Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March, so that a leap day is the last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = (month + 9) % 12;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return 365 * marchYear + leapDays + Math.floor((153 * marchMonth + 2) / 5) + day - 719_469;
}

function dateOf(days: number): { year: number; month: number; day: number } {
  // 146,097 days are four hundred years; years, months and days are taken off from there.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * ofYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  };
}

/**
 * Minor units of a decimal text in major units, of an asset with `decimals`: no sign, exponent or leading zero, at most
 * that many decimals (trailing zeros count), at most AMOUNT_MINOR_MAX. Null for anything else. Zero is an amount.
 */
export function parseAmount(text: string, decimals: number): AmountMinor | null {
  const match = AMOUNT.exec(text);
  if (match === null) return null;
  const fraction = match[2] ?? '';
  if (fraction.length > decimals) return null;
  const minor = BigInt((match[1] as string) + fraction.padEnd(decimals, '0'));
  return minor <= AMOUNT_MINOR_MAX ? (minor as AmountMinor) : null;
}

/** The decimal text of minor units, with exactly `decimals` decimals; negative for what an issuer owes. */
export function formatAmount(minor: bigint, decimals: number): string {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const sign = minor < 0n ? '-' : '';
  return decimals === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-decimals)}`;
}

/** Whether an LEI's check digits hold (ISO 17442, ISO 7064 MOD 97-10): letters count from A = 10, and the remainder is 1. */
export function isLei(text: string): boolean {
  if (!/^[A-Z0-9]{18}[0-9]{2}$/.test(text)) return false;
  let remainder = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    remainder = code < 65 ? (remainder * 10 + code - 48) % 97 : (remainder * 100 + code - 55) % 97;
  }
  return remainder === 1;
}
