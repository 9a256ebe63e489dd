/** Numbers and times as people read them; the same on every machine, whatever its locale. */

/** As 250 ms, 1.25 s, 2 min 5 s or 3 h 20 min. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(2))} s`;
  const seconds = Math.round(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  const rest = hours > 0 ? 0 : seconds % 60;
  return [hours > 0 && `${hours} h`, minutes > 0 && `${minutes} min`, rest > 0 && `${rest} s`]
    .filter((each) => each !== false)
    .join(' ');
}

/** Digits in threes, with a narrow space that does not break: 1 250 000.00 */
export function grouped(number: number | string): string {
  const [whole = '', fraction] = String(number).split('.');
  const threes = whole.replace(/\B(?=(?:\d{3})+$)/g, '\u202f');
  return fraction === undefined ? threes : `${threes}.${fraction}`;
}

/** Short enough for an axis: 950, 12 k, 1.5 M, 3 bn. */
export function short(value: number): string {
  const units = [
    ['tn', 1e12],
    ['bn', 1e9],
    ['M', 1e6],
    ['k', 1e4],
  ] as const;
  const found = units.find(([, size]) => value >= size);
  if (found === undefined) return String(Number(value.toPrecision(4)));
  const [name, size] = found;
  return `${Number((value / (name === 'k' ? 1e3 : size)).toPrecision(3))} ${name}`;
}

/** As 1 fault, 3 faults. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

/** As a; a and b; a, b and c. */
export const listed = (all: readonly string[]): string =>
  all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1) ?? ''}`;
