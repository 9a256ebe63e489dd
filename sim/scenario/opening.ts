/** What opens a network for business, before a scenario begins: assets, banks, their nodes, money. */
import { OPENING } from './book.js';
import type { Player } from './cast.js';
import type { Scenario } from './file.js';
import type { Stage } from './stage.js';
import type { Teller } from './teller.js';
import type { Watch } from './watch.js';

/** Enough that no run meets it. */
const CAP_MAJOR = 10n ** 15n;
const SEEN_MS_MAX = 60_000;

export async function openNetwork(
  money: Scenario['opening'],
  stage: Stage,
  teller: Teller,
  watch: Watch,
): Promise<void> {
  const { cast } = stage;
  const places = cast.seats.map((_, at) => at);
  const validators = places.filter((at) => cast.seats[at]?.isValidator === true);
  const guests = places.filter((at) => cast.seats[at]?.isValidator === false);
  await stage.start(validators);
  await Promise.all(cast.banks.map((bank) => admit(teller, bank)));
  await Promise.all(guests.map((at) => registerNode(teller, at)));
  await stage.start(guests);
  await Promise.all(
    cast.assets.map(({ asset, class: kind, issuer, decimals }) => {
      const authority = cast.player(issuer.jurisdiction);
      const fields = { kind: 'asset', asset, class: kind, name: asset, issuer: issuer.party, decimals };
      const more = { jurisdiction: issuer.jurisdiction, cap: `${CAP_MAJOR}` };
      const by: [Player, ...Player[]] = issuer === authority ? [authority] : [issuer, authority];
      return teller.must({ name: OPENING, fields: { ...fields, ...more }, by });
    }),
  );
  await Promise.all(
    money.map(({ asset, to, amount }) => {
      const { issuer } = cast.asset(asset);
      const legs = cast.all(to).map(({ party }) => ({ from: issuer.party, to: party, asset, amount }));
      return teller.must({ name: OPENING, fields: { kind: 'settle', mode: 'gross', legs }, by: [issuer] });
    }),
  );
  if (!(await watch.until(watch.height, places, SEEN_MS_MAX)))
    throw new Error(`After the opening, at height ${watch.height}, nodes are behind: ${watch.heights.join(', ')}.`);
}

async function admit(teller: Teller, bank: Player): Promise<void> {
  const { party, title, lei, jurisdiction } = bank;
  const fields = {
    kind: 'participant',
    action: 'admit',
    party,
    name: title,
    lei,
    jurisdiction,
    keys: [await teller.prove(bank)],
    threshold: 1,
  };
  await teller.must({ name: OPENING, fields, by: [teller.cast.player(jurisdiction)] });
}

/** Through a validator: nobody talks to a node whose key is not registered. */
async function registerNode(teller: Teller, at: number): Promise<void> {
  const { player } = teller.cast.seats[at] as Stage['cast']['seats'][number];
  const keys = [await teller.prove(player, teller.stage.nodeKeyOf(at))];
  const fields = { kind: 'key', action: 'node', party: player.party, keys };
  await teller.must({
    name: OPENING,
    fields,
    by: [player],
    at: teller.cast.homeOf(teller.cast.player(player.jurisdiction)),
  });
}
