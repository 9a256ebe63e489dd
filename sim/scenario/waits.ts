/** Who waits for what: the queues of all players as their nodes tell them, when the business of a scenario is over. */
import type { Leg } from '../../protocol/payload.js';
import type { Book } from './book.js';
import type { Player } from './cast.js';
import type { QueuePage, Stage } from './stage.js';

/** A settlement that its payers wait for. */
export interface Wait {
  readonly digest: string;
  /** The act that it belongs to, or its digest where no act of the scenario began it. */
  readonly act: string;
  /** Who pays in it, by the scenario's names: until it settles the money is theirs. */
  readonly payers: readonly string[];
  readonly legs: readonly Leg[];
  /** Whose money it waits for: what accounts lack for it to settle by itself. */
  readonly lacking: readonly { readonly player: string; readonly asset: string; readonly amount: string }[];
}

type Entry = QueuePage['entries'][number];

export async function waitsOf(stage: Stage, book: Book): Promise<readonly Wait[]> {
  const { cast } = stage;
  const players = [...cast.authorities, ...cast.banks];
  const nameOf = (party: string): string => players.find((player) => player.party === party)?.name ?? party;
  const found = new Map<string, Wait>();
  for (const player of players) {
    for (const { digest, legs, lacking } of await queueOf(stage, book, player)) {
      if (found.has(digest)) continue;
      found.set(digest, {
        digest,
        act: book.of(digest)?.name ?? digest,
        payers: [...new Set(legs.map(({ from }) => nameOf(from)))],
        legs,
        lacking: lacking.map(({ party, asset, amount }) => ({ player: nameOf(party), asset, amount })),
      });
    }
  }
  return [...found.values()];
}

async function queueOf(stage: Stage, book: Book, player: Player): Promise<readonly Entry[]> {
  const node = stage.nodes[book.askedFor(stage.cast.homeOf(player))];
  const entries: Entry[] = [];
  for (let after: string | undefined; ; ) {
    const answer = await node?.queue(player.party, after);
    if (answer?.ok !== true) return entries;
    entries.push(...answer.value.entries);
    if (answer.value.next === null) return entries;
    after = answer.value.next;
  }
}

/** A settlement that waits, in words. */
export function waitWords({ act, payers, lacking }: Wait): {
  readonly act: string;
  readonly who: string;
  readonly what: string;
} {
  const what = lacking.map(({ player, asset, amount }) => `${amount} ${asset} more of ${player}`).join(', ');
  return { act, who: payers.join(', '), what: what === '' ? 'what goes before it' : what };
}
