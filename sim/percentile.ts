/** The smallest value that at least this share of all is not above (nearest rank); null where there is none. */
export function percentileOf(values: readonly number[], share: number): number | null {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? null;
}
