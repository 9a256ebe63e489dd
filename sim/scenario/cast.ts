/** Who there is in a scenario, and what its names mean: central banks and their currencies, banks, nodes, assets. */
import { CENTRAL_BANKS } from '../../node/cli/centralbanks.js';
import { minorUnitsOf } from '../../protocol/currencies.js';
import { parseAmount } from '../../protocol/values.js';
import { PLACES, type PlaceCode } from '../geography.js';
import type { Act, Fault, Scenario, ScenarioRefusal } from './file.js';

export interface Player {
  /** As the scenario calls it: HK, or HK-1. */
  readonly name: string;
  /** Its BIC. */
  readonly party: string;
  readonly title: string;
  readonly lei: string;
  readonly jurisdiction: string;
}
/** A node, as the scenario calls it: by the name of whose it is. */
export interface Seat {
  readonly name: string;
  readonly player: Player;
  readonly place: PlaceCode;
  readonly isValidator: boolean;
}
export interface Token {
  readonly asset: string;
  readonly class: 'wcbdc' | 'deposit' | 'stablecoin' | 'security' | 'commodity';
  readonly issuer: Player;
  readonly decimals: number;
}

export interface Cast {
  readonly authorities: readonly Player[];
  readonly banks: readonly Player[];
  /** The validators in the order of the file, then the banks' own nodes. */
  readonly seats: readonly Seat[];
  readonly assets: readonly Token[];
  /** The players that a text of the file means, in the order of the file. */
  all(names: string): readonly Player[];
  player(name: string): Player;
  asset(code: string): Token;
  /** Where a player's instructions go: its own node, its central bank's, or the first validator's. */
  homeOf(player: Player): number;
  /** Places of nodes. */
  nodesOf(names: string): readonly number[];
  /** Places of all nodes in these jurisdictions. */
  nodesIn(codes: readonly string[]): readonly number[];
}

/** Names of banks, four letters of a BIC; nobody's. */
const FIRST_LETTERS = [
  'ALFA',
  'BETA',
  'GAMA',
  'DELT',
  'EPSI',
  'ZETA',
  'ETAB',
  'THET',
  'IOTA',
  'KAPP',
  'LAMB',
  'MUBA',
  'NUBA',
  'XIBA',
  'OMIC',
  'PIBA',
  'RHOB',
  'SIGM',
  'TAUB',
  'UPSI',
  'PHIB',
  'CHIB',
  'PSIB',
  'OMEG',
] as const;

/** Made up, with check digits that hold (ISO 7064, mod 97-10). */
function leiOf(party: string): string {
  const body = `98450000${party.slice(0, 10)}`;
  const digits = `${body}00`.replace(/[A-Z]/g, (letter) => String(Number.parseInt(letter, 36)));
  return body + String(98n - (BigInt(digits) % 97n)).padStart(2, '0');
}

function bankOf(jurisdiction: string, nth: number): Player {
  const letters = FIRST_LETTERS[nth - 1] as string;
  const party = `${letters}${jurisdiction}22XXX`;
  const title = `Bank ${letters[0]}${letters.slice(1).toLowerCase()} of ${jurisdiction}`;
  return { name: `${jurisdiction}-${nth}`, party, title, lei: leiOf(party), jurisdiction };
}

type Made = { readonly ok: true; readonly cast: Cast } | ScenarioRefusal;

/** The cast of a scenario, or what in the file names something that is not there (`unknown_name`). */
export function castOf(scenario: Scenario): Made {
  const made = companyOf(scenario);
  return made.ok ? (judge(scenario, made.cast) ?? made) : made;
}

/** The same, of nothing but who there is. */
export function companyOf(scenario: Pick<Scenario, 'jurisdictions' | 'assets'>): Made {
  const built = build(scenario);
  return 'ok' in built ? built : { ok: true, cast: built };
}

function build(scenario: Pick<Scenario, 'jurisdictions' | 'assets'>): Cast | ScenarioRefusal {
  const authorities: Player[] = [];
  const tokens: Token[] = [];
  const [validators, guests]: [Seat[], Seat[]] = [[], []];
  const banks: Player[] = [];
  for (const [
    at,
    { code, validator = true, banks: count, bankNodes = 0, bankValidators = 0 },
  ] of scenario.jurisdictions.entries()) {
    const where = `/jurisdictions/${at}`;
    const known = CENTRAL_BANKS.find(({ jurisdiction }) => jurisdiction === code);
    if (known === undefined)
      return refuse(
        `${where}/code`,
        `no central bank of ${code} is known here; there are ${CENTRAL_BANKS.map(({ jurisdiction }) => jurisdiction).join(', ')}`,
      );
    if (authorities.some(({ jurisdiction }) => jurisdiction === code))
      return refuse(`${where}/code`, `${code} stands there twice`);
    const authority = { name: code, party: known.party, title: known.name, lei: known.lei, jurisdiction: code };
    authorities.push(authority);
    tokens.push({
      asset: known.currency,
      class: 'wcbdc',
      issuer: authority,
      decimals: minorUnitsOf(known.currency) ?? 2,
    });
    const own = Array.from({ length: count }, (_, nth) => bankOf(code, nth + 1));
    banks.push(...own);
    if (bankNodes > count)
      return refuse(`${where}/bankNodes`, `${code} has ${count} banks, and ${bankNodes} nodes of theirs`);
    if (bankValidators > bankNodes)
      return refuse(
        `${where}/bankValidators`,
        `${code} has ${bankNodes} nodes of banks, and ${bankValidators} that validate`,
      );
    if (!validator && bankNodes === 0) continue;
    const place = PLACES.find((each) => each.code === code)?.code;
    if (place === undefined)
      return refuse(
        `${where}/code`,
        `nodes cannot stand in ${code}: the map of places has no city there, but in ${PLACES.map((each) => each.code).join(', ')}`,
      );
    if (validator) validators.push({ name: code, player: authority, place, isValidator: true });
    for (const [nth, player] of own.slice(0, bankNodes).entries()) {
      const isValidator = nth < bankValidators;
      (isValidator ? validators : guests).push({ name: player.name, player, place, isValidator });
    }
  }
  if (validators.length === 0) return refuse('/jurisdictions', 'no jurisdiction has a validator');
  const players = new Map([...authorities, ...banks].map((each) => [each.name, each]));
  for (const [at, { asset, issuer: name, ...rest }] of (scenario.assets ?? []).entries()) {
    const issuer = players.get(name);
    if (issuer === undefined) return refuse(`/assets/${at}/issuer`, `there is no ${name}`);
    if (tokens.some((each) => each.asset === asset))
      return refuse(`/assets/${at}/asset`, `${asset} stands there twice`);
    tokens.push({ asset, issuer, ...rest });
  }
  return new Company(authorities, banks, [...validators, ...guests], tokens);
}

const refuse = (pointer: string, detail: string): ScenarioRefusal => ({
  ok: false,
  code: 'unknown_name',
  pointer,
  detail,
});

class Company implements Cast {
  readonly authorities: readonly Player[];
  readonly banks: readonly Player[];
  readonly seats: readonly Seat[];
  readonly assets: readonly Token[];

  constructor(
    authorities: readonly Player[],
    banks: readonly Player[],
    seats: readonly Seat[],
    assets: readonly Token[],
  ) {
    this.authorities = authorities;
    this.banks = banks;
    this.seats = seats;
    this.assets = assets;
  }

  all(names: string): readonly Player[] {
    return names.split(',').flatMap((name) => {
      if (name === '*') return this.banks;
      if (name.endsWith('-*')) return this.banks.filter(({ jurisdiction }) => jurisdiction === name.slice(0, 2));
      return [...this.authorities, ...this.banks].filter((player) => player.name === name);
    });
  }
  player(name: string): Player {
    return this.all(name)[0] as Player;
  }
  asset(code: string): Token {
    return this.assets.find(({ asset }) => asset === code) as Token;
  }
  homeOf({ name, jurisdiction }: Player): number {
    const own = this.seats.findIndex((seat) => seat.name === name);
    return own !== -1
      ? own
      : Math.max(
          0,
          this.seats.findIndex((seat) => seat.name === jurisdiction),
        );
  }
  nodesOf(names: string): readonly number[] {
    return names.split(',').map((name) => this.seats.findIndex((seat) => seat.name === name));
  }
  nodesIn(codes: readonly string[]): readonly number[] {
    return this.seats.flatMap(({ player }, at) => (codes.includes(player.jurisdiction) ? [at] : []));
  }
}

/** Everything that the file names is there, and every act says when. */
function judge(scenario: Scenario, cast: Cast): ScenarioRefusal | null {
  for (const [at, { asset, to, amount }] of scenario.opening.entries()) {
    const refusal = unknownAsset(cast, asset, `/opening/${at}/asset`) ?? unknownParty(cast, to, `/opening/${at}/to`);
    if (refusal !== null) return refusal;
    if (parseAmount(amount, cast.asset(asset).decimals) === null)
      return refuse(`/opening/${at}/amount`, `${amount} is no amount of ${asset}`);
  }
  for (const [at, act] of scenario.workload.entries()) {
    const refusal = judgeAct(cast, act, `/workload/${at}`);
    if (refusal !== null) return refusal;
    if (act.act === 'cancel' && !scenario.workload.some(({ name }) => name === act.what))
      return refuse(`/workload/${at}/what`, `there is no act called ${act.what}`);
  }
  const unknownWorth = scenario.worth === undefined ? null : unknownAsset(cast, scenario.worth.in, '/worth/in');
  if (unknownWorth !== null) return unknownWorth;
  for (const [at, { asset }] of (scenario.worth?.rates ?? []).entries()) {
    const refusal = unknownAsset(cast, asset, `/worth/rates/${at}/asset`);
    if (refusal !== null) return refusal;
  }
  for (const [at, fault] of (scenario.faults ?? []).entries()) {
    const refusal = judgeFault(cast, fault, `/faults/${at}`);
    if (refusal !== null) return refusal;
  }
  return null;
}

function unknownAsset(cast: Cast, code: string, pointer: string): ScenarioRefusal | null {
  return cast.assets.some(({ asset }) => asset === code) ? null : refuse(pointer, `there is no asset ${code}`);
}

function unknownParty(cast: Cast, names: string, pointer: string): ScenarioRefusal | null {
  const missing = names.split(',').find((name) => cast.all(name).length === 0);
  return missing === undefined ? null : refuse(pointer, `there is nobody called ${missing}`);
}

/** Members of acts whose texts name assets, and parties. */
const ASSETS = ['asset', 'gives', 'takes', 'cash', 'collateral', 'substitute', 'security', 'assets'] as const;
const PARTIES = [
  'to',
  'by',
  'of',
  'payers',
  'payees',
  'holders',
  'payer',
  'lender',
  'borrower',
  'except',
  'parties',
] as const;

function judgeAct(cast: Cast, act: Act, pointer: string): ScenarioRefusal | null {
  const isOnce = act.at !== undefined;
  const isRepeated = act.from !== undefined && act.until !== undefined && act.every !== undefined;
  if (isOnce === isRepeated) return refuse(pointer, 'it says either `at`, or `from`, `until` and `every`');
  const members = act as unknown as Readonly<Record<string, string | readonly string[] | undefined>>;
  for (const [names, judged] of [
    [ASSETS, unknownAsset],
    [PARTIES, unknownParty],
  ] as const) {
    for (const name of names) {
      const value = members[name];
      for (const each of value === undefined ? [] : [value].flat()) {
        const refusal = judged(cast, each, `${pointer}/${name}`);
        if (refusal !== null) return refusal;
      }
    }
  }
  return judgeAmounts(cast, act, pointer) ?? judgeSides(cast, act, pointer);
}

function judgeFault(cast: Cast, fault: Fault, pointer: string): ScenarioRefusal | null {
  if (fault.fault === 'partition') {
    const codes = fault.between.split(/[|,]/);
    const missing = codes.find((code) => cast.nodesIn([code]).length === 0);
    return missing === undefined ? null : refuse(`${pointer}/between`, `no node stands in ${missing}`);
  }
  const missing = fault.nodes.split(',').find((name) => cast.nodesOf(name).includes(-1));
  if (missing !== undefined) return refuse(`${pointer}/nodes`, `${missing} has no node`);
  if (fault.fault !== 'censor' || !cast.nodesOf(fault.victim).includes(-1)) return null;
  return refuse(`${pointer}/victim`, `no validator stands in ${fault.victim}`);
}

/** No amount is finer than its asset: it would be another one. */
function judgeAmounts(cast: Cast, act: Act, pointer: string): ScenarioRefusal | null {
  for (const [name, assets, amounts] of amountsOf(act)) {
    for (const asset of assets) {
      const { decimals } = cast.asset(asset);
      const wrong = amounts.find((amount) => parseAmount(amount, decimals) === null);
      if (wrong !== undefined)
        return refuse(`${pointer}/${name}`, `${wrong} is no amount of ${asset}, which has ${decimals} decimals`);
    }
  }
  return null;
}

type Amounts = readonly (readonly [name: string, assets: readonly string[], amounts: readonly string[]])[];

function amountsOf(act: Act): Amounts {
  switch (act.act) {
    case 'issue':
      return [['amount', [act.asset], [act.amount]]];
    case 'redeem':
    case 'payment':
      return [['amount', [act.asset], act.amount ?? []]];
    case 'pvp':
      return [['amount', [act.gives], act.amount]];
    case 'ring':
      return [['amount', act.assets, [act.amount]]];
    case 'coupon':
      return [['perUnit', [act.cash], [act.perUnit]]];
    case 'repo': {
      const pledged = act.substitute === undefined ? [act.collateral] : [act.collateral, act.substitute];
      return [
        ['amount', [act.cash], [act.amount]],
        ['interest', [act.cash], [act.interest]],
        ['pledged', pledged, [act.pledged]],
      ];
    }
    default:
      return [];
  }
}

/** Whoever is drawn has somebody else to deal with. */
function judgeSides(cast: Cast, act: Act, pointer: string): ScenarioRefusal | null {
  const [name, ones, others] =
    act.act === 'payment'
      ? ['payees', act.payers, act.payees]
      : act.act === 'pvp'
        ? ['of', act.by, act.of]
        : ['', '', ''];
  const alone = cast.all(ones).find((one) => cast.all(others).every((other) => other === one));
  return alone === undefined || name === ''
    ? null
    : refuse(`${pointer}/${name}`, `${alone.name} would deal with itself alone`);
}
