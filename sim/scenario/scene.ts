/** What an act has while a scenario is played. */
import type { Book } from './book.js';
import type { Act } from './file.js';
import type { Teller } from './teller.js';

export interface Scene {
  /** By asset, when a business day ends, in ms of the day: as `business-days` has published it. */
  readonly closes: Map<string, number>;
  readonly teller: Teller;
  readonly book: Book;
  /** When the workload begins and ends, on the stage's clock. */
  readonly openedMs: number;
  readonly endsMs: number;
}

/** By which its figures are told. */
export const nameOf = ({ name, act }: Act): string => name ?? act;
