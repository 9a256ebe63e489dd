/**
 * The bugs that the fuzzer is measured by, planted one at a time. The list was written from the rules, before the mix of
 * faults was tuned. What is held in several places is broken in all of them: a mutant that means the same is none.
 */
import { AMENDMENT_MUTANTS } from './amendment.js';
import { CONSENSUS_MUTANTS } from './consensus.js';
import { LEDGER_MUTANTS } from './ledger.js';
import { LOCK_MUTANTS } from './locks.js';
import type { Mutant } from './mutant.js';
import { QUEUE_MUTANTS } from './queue.js';
import { REPLICA_MUTANTS } from './replica.js';
import { UPKEEP_MUTANTS } from './upkeep.js';

export const MUTANTS: readonly Mutant[] = [
  ...CONSENSUS_MUTANTS,
  ...REPLICA_MUTANTS,
  ...UPKEEP_MUTANTS,
  ...LEDGER_MUTANTS,
  ...QUEUE_MUTANTS,
  ...LOCK_MUTANTS,
  ...AMENDMENT_MUTANTS,
];
