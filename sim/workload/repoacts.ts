/** What banks do with repos: money against collateral, which is substituted, called and given back before it returns; and what goes wrong. */
import type { JwsJson } from '../../protocol/instruction.js';
import type { Act, Share } from './acts.js';
import { type Desk, type LegFields, type Loan, readJws } from './desk.js';

/** The near part settles until then, or the repo lapses. */
const NEAR_MS = 6_000;

/** Cash against other money as collateral, and back; at times the central bank lends what it issues, for the day. */
async function borrow(desk: Desk): Promise<Loan> {
  const { random } = desk;
  const [cash, collateral] = desk.two(desk.currencies);
  const [borrower, other] = desk.two(desk.banks);
  const home = desk.jurisdictions.find(({ currency }) => currency === cash);
  const lender = random.chance(300) && home !== undefined ? home.authority : other;
  const given = { from: borrower, to: lender, asset: collateral, amount: desk.amount(collateral, 10, 900) };
  const lent = { from: lender, to: borrower, asset: cash, amount: desk.amount(cash, 10, 900) };
  const legs = [reversed(given), reversed(lent)];
  const fromMs = random.pick([NEAR_MS + 1, 15_000, 40_000]);
  const far = { legs, notBefore: desk.inMs(fromMs), settleBy: desk.inMs(fromMs + random.pick([4_000, 60_000])) };
  const rolled = { legs, notBefore: desk.inMs(120_000), settleBy: desk.inMs(200_000) };
  const linked = random.chance(850) ? [far] : [far, rolled];
  const more = { settleBy: desk.inMs(NEAR_MS), linked };
  const fields = { kind: 'settle', mode: 'queue', initiator: borrower, legs: [given, lent], ...more };
  const jws = await desk.make(fields, [borrower, lender]);
  desk.queued(jws);
  const loan = { jws, borrower, lender, legs };
  desk.lent(loan);
  return loan;
}

/** Mostly it is changed while it is young. */
const repo: Act = async (desk) => {
  const loan = await borrow(desk);
  if (desk.random.chance(300)) return [loan.jws];
  return [loan.jws, ...(await changed(desk, loan)), ...(await changed(desk, loan))];
};

/** One has agreed to leave; then both agree to other legs, and the other leaves alone. */
const changeAndLeave: Act = async (desk) => {
  const loan = await borrow(desk);
  const settlement = readJws(loan.jws).digest;
  const [first, second] = desk.two([loan.borrower, loan.lender]);
  const leave = (initiator: string): Promise<JwsJson> =>
    desk.make({ kind: 'cancel', initiator, settlement }, [initiator]);
  return [loan.jws, await leave(first), ...(await changed(desk, loan)), await leave(second)];
};

const reversed = ({ from, to, ...what }: LegFields): LegFields => ({ ...what, from: to, to: from });

/** Other collateral, or more or less of it, and legs that return what is then held. */
async function changed(desk: Desk, loan: Loan): Promise<JwsJson[]> {
  const { random } = desk;
  const { borrower, lender, legs } = loan;
  const cash = legs.at(-1) as LegFields;
  const held = legs.slice(0, -1);
  const asset = random.pick(desk.currencies.filter((currency) => currency !== cash.asset));
  const more = { from: lender, to: borrower, asset, amount: desk.amount(asset, 1, random.chance(900) ? 60 : 30_000) };
  const kind = random.pick(['substitute', 'call', 'call', 'return', 'repay', 'assign'] as const);
  // The collateral is left to go back, and only one of the two has anything to pay in the end.
  if (kind === 'repay' && held.length > 0) return amend(desk, loan, [cash], held);
  // Somebody else is to have it in the end, who has nothing to pay.
  if (kind === 'assign') {
    const heir = random.pick(desk.banks.filter((bank) => bank !== borrower && bank !== lender));
    const told = random.chance(700) ? { signers: [borrower, lender] } : {};
    return amend(desk, loan, [reversed(more)], [...held.map((leg) => ({ ...leg, to: heir })), cash], told);
  }
  if (kind === 'call') return amend(desk, loan, [reversed(more)], [...held, more, cash]);
  if (kind === 'return' && held.length > 1) return amend(desk, loan, held.slice(0, 1), [...held.slice(1), cash]);
  return amend(desk, loan, [reversed(more), ...held], [more, cash]);
}

interface Told {
  readonly settlement?: string;
  readonly part?: number;
  readonly replaces?: readonly LegFields[];
  readonly signers?: readonly string[];
}

/** Signed by all whom it concerns, or by some, who may be joined later. */
async function amend(
  desk: Desk,
  loan: Loan,
  own: readonly LegFields[],
  legs: readonly LegFields[],
  { signers: named, ...told }: Told = {},
): Promise<JwsJson[]> {
  const { random } = desk;
  const settlement = readJws(loan.jws).digest;
  const amends = { settlement, part: 2, replaces: loan.legs, ...told, legs };
  const concerned = new Set([...own.map(({ from }) => from), ...[...amends.replaces, ...legs].flatMap(sidesOf)]);
  const parties = [...concerned];
  const initiator = random.pick(named ?? parties);
  const others = parties.filter((party) => party !== initiator);
  const paying = parties.filter((party) => party === initiator || [...own, ...legs].some(({ from }) => from === party));
  const signers = named ?? (random.chance(650) ? parties : random.pick([[initiator], paying]));
  const fields = { kind: 'settle', mode: 'gross', initiator, legs: own, amends };
  const jws = await desk.make(fields, signers);
  const missing = others.filter((party) => !signers.includes(party));
  if (missing.length > 0) desk.proposed(jws, missing);
  // Whether it settles is not known yet: who goes on from the legs before goes on from what may be gone.
  if (random.chance(850)) loan.legs = legs;
  return [jws];
}

const sidesOf = ({ from, to }: LegFields): string[] => [from, to];

const change: Act = async (desk) => {
  const loan = desk.loan();
  return loan === null ? repo(desk) : changed(desk, loan);
};

/** An amendment of what is none of it: another part, other legs, another settlement; or somebody else is to be paid. */
const amiss: Act = async (desk) => {
  const { random } = desk;
  const loan = desk.loan();
  if (loan === null) return repo(desk);
  const { borrower, lender, legs } = loan;
  const [asset] = desk.currencies as [string, ...string[]];
  const own = [{ from: borrower, to: lender, asset, amount: desk.amount(asset, 1, 20) }];
  const known = [desk.inQueue(), desk.before(), desk.proposal()?.jws ?? null].filter((jws) => jws !== null);
  const stranger = random.pick(desk.banks);
  const away = legs.map((leg) => (leg.to === borrower && stranger !== leg.from ? { ...leg, to: stranger } : leg));
  const kind = random.pick(['part', 'legs', 'settlement', 'stranger'] as const);
  if (kind === 'part') return amend(desk, loan, own, legs, { part: random.between(3, 4) });
  if (kind === 'legs') return amend(desk, loan, own, legs, { replaces: away });
  if (kind === 'stranger') return amend(desk, loan, own, away);
  const settlement = known.length === 0 ? desk.network : readJws(random.pick(known)).digest;
  return amend(desk, loan, own, legs, { settlement });
};

/** With shares of each profile, as all acts. */
export const REPO_ACTS: readonly Share[] = [
  [repo, 3, 3, 5],
  [change, 2, 2, 5],
  [changeAndLeave, 1, 1, 3],
  [amiss, 1, 1, 4],
];
