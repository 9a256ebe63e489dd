/** What the figures of every run mean, for the page; those of single acts are called after them. */
export const MEANINGS: Readonly<Record<string, string>> = {
  sent: 'Instructions sent',
  taken: 'Instructions that a node answered for',
  refused: 'Instructions that every node turned away',
  settlements: 'Settlements sent',
  settled: 'Settlements that became final',
  payments: 'Of them with one leg',
  exchanges: 'Of them with several legs, all or none',
  lapsed: 'Settlements that waited in vain until their time was over',
  rejected: 'Settlements that ended without effect for another reason',
  settledPerSecond: 'Settlements per second',
  finalityP50Ms: 'Final within, half of all',
  finalityP99Ms: 'Final within, 99 of 100',
  blocks: 'Blocks',
  nullified: 'Views without a block',
  longestPauseMs: 'Longest wait for a first receipt',
  waitingMost: 'Settlements that waited at once, at most',
};
