/**
 * A day of interbank traffic from a seed: core and periphery, payments and PvP, with amounts of a heavy tail. No public
 * data set of such traffic exists, so its shape is stated here, and each number that gives it is a parameter or below.
 */
import { Random } from '../random.js';

/** What a run is made from; the same parameters give the same day, to the last minor unit. */
export interface Parameters {
  readonly seed: number;
  readonly banks: number;
  readonly currencies: number;
  readonly instructions: number;
  /** Of a hundred instructions, so many are PvP; the others are payments of one leg. */
  readonly pvpPercent: number;
  /** Of a hundred, so many have been in the queue since before the day, and are due at a time of it. */
  readonly valueDatedPercent: number;
  /** Of a hundred, so many are urgent, and so many high, to each who pays in them. The rest are normal. */
  readonly urgentPercent: number;
  readonly highPercent: number;
  /** In all accounts: whether what is funded may pass what is as urgent and has an earlier place. */
  readonly order: 'bypass' | 'fifo';
}

export const DEFAULTS: Parameters = {
  seed: 1,
  banks: 60,
  currencies: 8,
  instructions: 6_000,
  pvpPercent: 50,
  valueDatedPercent: 30,
  urgentPercent: 1,
  highPercent: 4,
  order: 'bypass',
};

/** From least to most, for the command line. */
export const BOUNDS = {
  seed: [1, 0x7fff_ffff],
  banks: [20, 200],
  currencies: [4, 18],
  instructions: [100, 20_000],
  percent: [0, 100],
} as const;

export const TICK_MINUTES = 5;
/** Twelve hours. */
export const TICKS = 144;
const TICKS_PER_HOUR = 60 / TICK_MINUTES;
/** How many of what arrives within the day do so in each hour of it. None in the last: the day is open to settle, no more. */
const ARRIVALS = [12, 15, 14, 11, 8, 7, 8, 9, 8, 5, 3, 0] as const;

/** Every seventh bank is of the core: it deals in all currencies, with everybody. */
const CORE_ONE_IN = 7;
/** How often a bank of the core is picked, against one of the periphery. */
const CORE_WEIGHT = 8;
/** Of a thousand instructions of a bank of the periphery, so many go to one of the two of the core that it keeps accounts with. */
const HOME_PER_MILLE = 850;
/** Of a thousand, so many of a periphery bank are in its own currency. */
const OWN_CURRENCY_PER_MILLE = 700;
/** The large currencies are the first two; of a thousand PvP so many have one of them on one side. */
const LARGE = 2;
const LARGE_PER_MILLE = 900;

/** Of a thousand, so many go from who has received more in that currency: banks square what they hold over the day. */
const SQUARING_PER_MILLE = 900;

/** The least worth of a leg; of a thousand, so many double it, of these again, and so on: a Pareto tail of about 1.15. */
const WORTH_LEAST = 1_000;
const DOUBLED_PER_MILLE = 450;
const DOUBLINGS_MAX = 6;
/** From this worth on nothing is urgent or high: nothing passes what is, so a large one that lacks funds would hold up all else. */
const URGENT_WORTH_MAX = 4_000n;

/** What an instruction does to an account in sum. Never zero, and no account twice. */
export interface Movement {
  /** Bank × currencies + currency. */
  readonly account: number;
  /** Minor units of the account's currency. */
  readonly net: bigint;
  /** Of a debit: how urgent it is to who pays, 0 to 2; less is more urgent. */
  readonly tier: number;
}

/** Its number is its place in the queue. */
export interface Instruction {
  /** From when it may settle. */
  readonly dueTick: number;
  readonly movements: readonly Movement[];
  readonly banks: readonly [number, number];
  /** What its legs are worth together, in the unit of account. */
  readonly worth: bigint;
}

export interface Traffic {
  readonly parameters: Pick<Parameters, 'banks' | 'currencies' | 'order'>;
  /** Minor units of each currency that are worth one unit of account. */
  readonly rates: readonly bigint[];
  /** By place. */
  readonly instructions: readonly Instruction[];
}

export const accountsOf = ({ parameters: { banks, currencies } }: Traffic): number => banks * currencies;
export const worthIn = ({ rates, parameters }: Traffic, account: number, amount: bigint): bigint =>
  amount / (rates[account % parameters.currencies] as bigint);

/** The day that parameters make. */
export function trafficOf(parameters: Parameters): Traffic {
  return new Generator(parameters).run();
}

/** What an instruction is about, before it has its time. */
type Body = Omit<Instruction, 'dueTick'>;

class Generator {
  readonly #parameters: Parameters;
  readonly #random: Random;
  readonly #core: number;
  readonly #rates: readonly bigint[];
  /** What each account has received over what it has paid, in the unit of account. */
  readonly #positions: bigint[];

  constructor(parameters: Parameters) {
    this.#parameters = parameters;
    this.#random = new Random(parameters.seed);
    this.#core = Math.max(2, Math.ceil(parameters.banks / CORE_ONE_IN));
    this.#rates = Array.from({ length: parameters.currencies }, () => BigInt(this.#random.between(1, 150)));
    this.#positions = Array.from({ length: parameters.banks * parameters.currencies }, () => 0n);
  }

  run(): Traffic {
    const { banks, currencies, order, instructions: count, valueDatedPercent } = this.#parameters;
    const valueDated = Math.floor((count * valueDatedPercent) / 100);
    // Bodies are drawn one after another and due at any time: they balance over the day, not from hour to hour.
    const instructions = Array.from({ length: count }, (_, at): Instruction => {
      const dueTick = at < valueDated ? this.#random.between(0, TICKS - TICKS_PER_HOUR - 1) : this.#arrival();
      return { dueTick, ...this.#body() };
    });
    // What came before the day has the earlier places, whenever it is due. The sort keeps the order of equals.
    const late = instructions.slice(valueDated).sort((a, b) => a.dueTick - b.dueTick);
    return {
      parameters: { banks, currencies, order },
      rates: this.#rates,
      instructions: [...instructions.slice(0, valueDated), ...late],
    };
  }

  #arrival(): number {
    const all = ARRIVALS.reduce<number>((sum, share) => sum + share, 0);
    let drawn = this.#random.between(0, all - 1);
    let hour = 0;
    for (; drawn >= (ARRIVALS[hour] as number); hour++) drawn -= ARRIVALS[hour] as number;
    return hour * TICKS_PER_HOUR + this.#random.between(0, TICKS_PER_HOUR - 1);
  }

  #body(): Body {
    const { pvpPercent } = this.#parameters;
    const one = this.#bank();
    const another = this.#counterparty(one);
    const currency = this.#currency(this.#random.chance(500) ? one : another);
    const isPvp = this.#random.chance(10 * pvpPercent);
    const other = isPvp ? this.#against(currency) : null;
    const held = (bank: number): bigint =>
      this.#position(bank, currency) - (other === null ? 0n : this.#position(bank, other));
    const isOther = this.#random.chance(SQUARING_PER_MILLE) ? held(another) > held(one) : this.#random.chance(500);
    const [payer, payee] = isOther ? [another, one] : [one, another];
    const worth = this.#worth();
    const legs = [this.#leg(payer, payee, currency, worth)];
    if (other !== null) legs.push(this.#leg(payee, payer, other, worth));
    return { movements: legs.flat(), banks: [payer, payee], worth: worth * BigInt(legs.length) };
  }

  #position(bank: number, currency: number): bigint {
    return this.#positions[bank * this.#parameters.currencies + currency] as bigint;
  }

  #leg(from: number, to: number, currency: number, worth: bigint): Movement[] {
    const { currencies, urgentPercent, highPercent } = this.#parameters;
    const drawn = this.#random.between(0, 99);
    const isSmall = worth < URGENT_WORTH_MAX;
    const tier = isSmall && drawn < urgentPercent ? 0 : isSmall && drawn < urgentPercent + highPercent ? 1 : 2;
    return [from, to].map((bank): Movement => {
      const account = bank * currencies + currency;
      const change = bank === from ? -worth : worth;
      this.#positions[account] = (this.#positions[account] as bigint) + change;
      return { account, net: change * (this.#rates[currency] as bigint), tier };
    });
  }

  #bank(): number {
    const periphery = this.#parameters.banks - this.#core;
    const drawn = this.#random.between(0, this.#core * CORE_WEIGHT + periphery - 1);
    return drawn < this.#core * CORE_WEIGHT ? Math.floor(drawn / CORE_WEIGHT) : drawn - this.#core * (CORE_WEIGHT - 1);
  }

  #counterparty(bank: number): number {
    if (bank >= this.#core && this.#random.chance(HOME_PER_MILLE))
      return (bank + this.#random.between(0, 1)) % this.#core;
    for (;;) {
      const other = this.#bank();
      if (other !== bank) return other;
    }
  }

  /** Of a periphery bank its own or a large one; else any, the large ones more often. */
  #currency(bank: number): number {
    const { currencies } = this.#parameters;
    if (bank < this.#core) return this.#skewed(currencies);
    return this.#random.chance(OWN_CURRENCY_PER_MILLE) ? bank % currencies : this.#random.between(0, LARGE - 1);
  }

  /** What a currency is traded against: a large one mostly. */
  #against(currency: number): number {
    const { currencies } = this.#parameters;
    if (!this.#random.chance(LARGE_PER_MILLE)) return (currency + this.#random.between(1, currencies - 1)) % currencies;
    return currency < LARGE ? 1 - currency : this.#random.between(0, LARGE - 1);
  }

  /** From 0 to below the bound, the low ones more often: the lesser of two draws. */
  #skewed(bound: number): number {
    return Math.min(this.#random.between(0, bound - 1), this.#random.between(0, bound - 1));
  }

  #worth(): bigint {
    let doublings = 0;
    while (doublings < DOUBLINGS_MAX && this.#random.chance(DOUBLED_PER_MILLE)) doublings += 1;
    return BigInt(this.#random.between(WORTH_LEAST, 2 * WORTH_LEAST - 1)) << BigInt(doublings);
  }
}
