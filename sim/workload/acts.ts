/**
 * What banks and authorities of the virtual world do: one act for each habit and each mistake. An act gives what is to
 * be sent, in this order; what comes after the first may be sent much later, and by way of another node.
 */

import { cosignInstruction, signInstruction } from '../../node/api/signing.js';
import { fromHex } from '../../protocol/codec.js';
import { ed25519Thumbprint, type JwsJson } from '../../protocol/instruction.js';
import { AMOUNT_MINOR_MAX, KEYS_PER_PARTY_MAX } from '../../protocol/limits.js';
import { DAY_MS, formatAmount } from '../../protocol/values.js';
import type { SimKey } from '../crypto.js';
import { LEI } from '../lei.js';
import { type Desk, type LegFields, readJws } from './desk.js';
import { partyKey } from './parties.js';

export type Act = (desk: Desk) => Promise<readonly JwsJson[]>;

const SETTLE = { kind: 'settle', mode: 'gross' } as const;

const settle = (
  desk: Desk,
  initiator: string,
  legs: readonly LegFields[],
  signers: readonly string[],
  more: object = {},
  validityMs?: number,
): Promise<JwsJson> => desk.make({ ...SETTLE, initiator, legs, ...more }, signers, validityMs);

export function payment(desk: Desk, least = 1, most = 300): LegFields {
  const [from, to] = desk.two(desk.banks);
  const asset = desk.random.pick(desk.currencies);
  return { from, to, asset, amount: desk.amount(asset, least, most) };
}

export function exchange(desk: Desk): [LegFields, LegFields] {
  const [x, y] = desk.two(desk.currencies);
  const { from, to } = payment(desk);
  return [
    { from, to, asset: x, amount: desk.amount(x, 1, 500) },
    { from: to, to: from, asset: y, amount: desk.amount(y, 1, 500) },
  ];
}

const pay: Act = async (desk) => {
  const leg = payment(desk);
  return [await settle(desk, leg.from, [leg], [leg.from])];
};

const pvp: Act = async (desk) => {
  const [there, back] = exchange(desk);
  return [await settle(desk, there.from, [there, back], [there.from, back.from])];
};

/** An exchange that one side has signed, and the other is to. */
export async function oneSided(desk: Desk, more: object): Promise<{ readonly jws: JwsJson; readonly missing: string }> {
  const [there, back] = exchange(desk);
  return { jws: await settle(desk, there.from, [there, back], [there.from], more), missing: back.from };
}

/** One side only: the other consents later, or never. */
const propose: Act = async (desk) => {
  const more = desk.random.chance(500) ? {} : { cancelUntil: desk.inMs(desk.random.between(1_100, 30_000)) };
  const { jws, missing } = await oneSided(desk, more);
  desk.proposed(jws, [missing]);
  return [jws];
};

/** Many legs, which only hold together: what one pays on, it has from another leg. */
const bundle: Act = async (desk) => {
  const size = desk.random.between(3, 12);
  const legs = Array.from({ length: size }, () => payment(desk, 1, 900));
  const debited = [...new Set(legs.map(({ from }) => from))];
  const [initiator] = debited as [string, ...string[]];
  const signed = desk.random.chance(700) ? debited : debited.slice(0, desk.random.between(1, debited.length));
  const jws = await settle(desk, initiator, legs, signed);
  const missing = debited.filter((party) => !signed.includes(party));
  if (missing.length > 0) desk.proposed(jws, missing);
  return [jws];
};

/** In one bundle more goes through an account than it holds; the sum is what counts. */
const passThrough: Act = async (desk) => {
  const [first, second] = desk.two(desk.banks);
  const asset = desk.random.pick(desk.currencies);
  const amount = formatAmount(10n ** 12n, desk.decimalsOf(asset));
  const legs = [
    { from: first, to: second, asset, amount },
    { from: second, to: first, asset, amount },
  ];
  return [await settle(desk, first, legs, [first, second])];
};

const consent: Act = async (desk) => {
  const proposal = desk.proposal();
  if (proposal === null) return propose(desk);
  const { digest } = readJws(proposal.jws);
  const party = desk.random.chance(850) ? desk.random.pick(proposal.missing) : desk.random.pick(desk.banks);
  // Who else signs it has consented to nothing by that.
  const others = desk.random.chance(150) ? [desk.random.pick(desk.banks.filter((bank) => bank !== party))] : [];
  return [await desk.make({ kind: 'consent', initiator: party, settlement: digest }, [party, ...others])];
};

/** A consent that says what it is to; at times it is to something else. */
const consentToTerms: Act = async (desk) => {
  const proposal = desk.proposal();
  if (proposal === null) return propose(desk);
  const { digest, payload } = readJws(proposal.jws);
  if (payload.kind !== 'settle') return propose(desk);
  const [initiator] = proposal.missing as [string, ...string[]];
  const linked = payload.mode === 'queue' ? (payload.linked ?? []) : [];
  const others = linked.map(({ legs }) => ({ legs }));
  const [leg, ...rest] = [...payload.legs].reverse() as [LegFields, ...LegFields[]];
  const changed = desk.random.pick([
    leg,
    leg,
    { ...leg, to: desk.random.pick(desk.banks.filter((bank) => bank !== leg.from)) },
    { ...leg, asset: desk.random.pick(desk.currencies) },
    { ...leg, amount: desk.amount(leg.asset, 1, 9) },
  ]);
  const dates = desk.random.chance(800) ? {} : { settleBy: desk.inMs(desk.random.between(1_000, 9_000)) };
  const terms = [{ legs: [changed, ...rest], ...dates }, ...(desk.random.chance(900) ? others : [])];
  return [await desk.make({ kind: 'consent', initiator, settlement: digest, terms }, [initiator])];
};

/** The other way to consent: the same payload with one's own signature on it. */
const cosign: Act = async (desk) => {
  const proposal = desk.proposal();
  if (proposal === null) return propose(desk);
  const signed = new Set(readJws(proposal.jws).signatures.map(({ kid }) => kid));
  const keys = desk.signersOf([desk.random.pick(proposal.missing)]).filter(({ kid }) => !signed.has(kid));
  return [await cosignInstruction(proposal.jws, keys)];
};

const withdraw: Act = async (desk) => {
  const proposal = desk.proposal();
  if (proposal === null) return propose(desk);
  const { digest, payload } = readJws(proposal.jws);
  const party = desk.random.pick([payload.initiator, ...proposal.missing, desk.random.pick(desk.banks)]);
  return [await desk.make({ kind: 'withdraw', initiator: party, settlement: digest }, [party])];
};

/** The answer before the question: it waits for its settlement, at times in vain. */
const consentFirst: Act = async (desk) => {
  const [there, back] = exchange(desk);
  const jws = await settle(desk, there.from, [there, back], [there.from]);
  const settlement = readJws(jws).digest;
  const kind = desk.random.chance(800) ? 'consent' : 'withdraw';
  const validityMs = desk.random.chance(700) ? undefined : 5_000 + desk.random.between(500, 5_000);
  const answer = await desk.make({ kind, initiator: back.from, settlement }, [back.from], validityMs);
  return desk.random.chance(800) ? [answer, jws] : [answer];
};

/** What is named is no settlement that can be answered any more, or none at all. */
const consentToAnything: Act = async (desk) => {
  const before = desk.before();
  const settlement = before === null || desk.random.chance(200) ? 'f'.repeat(64) : readJws(before).digest;
  const kind = desk.random.pick(['consent', 'withdraw']);
  const initiator = desk.random.pick(desk.banks);
  return [await desk.make({ kind, initiator, settlement }, [initiator])];
};

const replay: Act = async (desk) => {
  const before = desk.before();
  return before === null ? pay(desk) : [before];
};

/** Another payload under an id that was used: only one of the two may ever count. */
const sameId: Act = async (desk) => {
  const before = desk.before();
  if (before === null) return pay(desk);
  const { initiator, id } = readJws(before).payload;
  const { to, asset, amount } = payment(desk);
  const [other] = desk.banks.filter((bank) => bank !== initiator) as [string, ...string[]];
  return [
    await settle(
      desk,
      initiator,
      [{ from: initiator, to: to === initiator ? other : to, asset, amount }],
      [initiator],
      { id },
    ),
  ];
};

/** Ids are each bank's own: two banks may use the same. */
const sharedId: Act = async (desk) => {
  const [first, second] = desk.two(desk.banks);
  const id = desk.random.uuid();
  const asset = desk.random.pick(desk.currencies);
  const leg = (from: string, to: string): LegFields => ({ from, to, asset, amount: desk.amount(asset, 1, 50) });
  return [
    await settle(desk, first, [leg(first, second)], [first], { id }),
    await settle(desk, second, [leg(second, first)], [second], { id }),
  ];
};

const wrongSigner: Act = async (desk) => {
  const leg = payment(desk);
  return [await settle(desk, leg.from, [leg], [leg.to])];
};

/** One key short of the threshold, and then whole: what was dropped must not have used up the id. */
const tooFewKeys: Act = async (desk) => {
  const leg = { ...payment(desk), from: 'BETAHKHHXXX', to: 'GAMACNBJXXX' };
  const built = desk.build({ ...SETTLE, initiator: leg.from, legs: [leg] });
  const [first, ...rest] = desk.signersOf([leg.from]);
  if (first === undefined) return pay(desk);
  const short = await signInstruction(built, [first]);
  return [short, await cosignInstruction(short, rest)];
};

const overdraw: Act = async (desk) => {
  const leg = payment(desk, 8_000, 60_000);
  return [await settle(desk, leg.from, [leg], [leg.from])];
};

/** The largest amount there is, one more, and one more decimal than the asset has. */
const atLimit: Act = async (desk) => {
  const leg = payment(desk);
  const decimals = desk.decimalsOf(leg.asset);
  const amount = desk.random.pick([
    formatAmount(AMOUNT_MINOR_MAX, decimals),
    formatAmount(AMOUNT_MINOR_MAX + 1n, decimals),
    formatAmount(1n, decimals + 1),
    formatAmount(1n, decimals),
  ]);
  const legs = desk.random.chance(500)
    ? [{ ...leg, amount }]
    : [
        { ...leg, amount },
        { ...leg, amount },
      ];
  return [await settle(desk, leg.from, legs, [leg.from])];
};

const issue: Act = async (desk) => {
  const { authority, currency } = desk.random.pick(desk.jurisdictions);
  const bank = desk.random.pick(desk.banks);
  const amount = desk.random.chance(850) ? desk.amount(currency, 100, 5_000) : '999999000';
  const redeems = desk.random.chance(300);
  const [from, to] = redeems ? [bank, authority] : [authority, bank];
  return [await settle(desk, from, [{ from, to, asset: currency, amount }], [from])];
};

/** Caps go up and down, at times below what circulates; names change; what is fixed does not. */
const changeAsset: Act = async (desk) => {
  const { authority, currency, decimals, code } = desk.random.pick(desk.jurisdictions);
  const fields = {
    kind: 'asset',
    asset: currency,
    class: 'wcbdc',
    name: currency,
    issuer: authority,
    jurisdiction: code,
    decimals,
    cap: '1000000000',
  };
  const changed = desk.random.pick([
    { name: `${currency} ${desk.random.between(1, 9)}` },
    { cap: `${desk.random.between(100_000, 2_000_000_000)}` },
    { cap: '1000' },
    { decimals: decimals + 1 },
    { issuer: desk.random.pick(desk.banks) },
    { class: 'deposit' },
    { asset: 'XXX' },
    { asset: 'ZZZ', class: 'deposit' },
    { asset: 'JPY', decimals: 2 },
  ]);
  const initiator = desk.random.chance(800) ? authority : desk.random.pick(desk.banks);
  return [
    await desk.make(
      { initiator, ...fields, ...changed },
      [initiator, authority].slice(0, initiator === authority ? 1 : 2),
    ),
  ];
};

/** Money of a bank's own, which its authority signs into being and caps. */
const token: Act = async (desk) => {
  const home = desk.random.pick(desk.jurisdictions);
  const issuer = desk.random.pick(home.banks);
  const asset = `${issuer.slice(0, 4)}${home.currency}`;
  const define = {
    kind: 'asset',
    initiator: issuer,
    asset,
    class: 'deposit',
    name: asset,
    issuer,
    jurisdiction: home.code,
    decimals: 2,
    cap: '5000',
  };
  const signers = desk.random.chance(800) ? [issuer, home.authority] : [issuer];
  const to = desk.random.pick(desk.banks.filter((bank) => bank !== issuer));
  const legs = [{ from: issuer, to, asset, amount: desk.amount(asset, 1, 3_000) }];
  const cap = { ...define, initiator: home.authority, cap: `${desk.random.between(1, 9_000)}` };
  return [
    await desk.make(define, signers),
    await settle(desk, issuer, legs, [issuer]),
    await desk.make(cap, [home.authority]),
  ];
};

/** A key comes, one goes: what waits for the old one's consent loses it. */
const rotateKey: Act = async (desk) => {
  const party = desk.random.pick(desk.banks);
  const ring = desk.ring(party);
  const key = desk.freshKey();
  const initiator = desk.random.chance(700) ? party : desk.authorityOver(party);
  const add = await desk.make({ kind: 'key', action: 'add', initiator, party, keys: [await desk.prove(party, key)] }, [
    initiator,
  ]);
  const [oldest] = ring.keys as [(typeof ring.keys)[number]];
  const revoke = await desk.make({ kind: 'key', action: 'revoke', initiator, party, kid: oldest.kid }, [initiator]);
  ring.keys = desk.random.chance(800) ? [...ring.keys.slice(1), key] : [...ring.keys, key];
  return ring.keys.includes(oldest) ? [add] : [add, revoke];
};

/** A key that is somebody's, that is not proven, or that is not there to be revoked; too many; a threshold out of reach. */
const wrongKeys: Act = async (desk) => {
  const [party, other] = desk.two(desk.banks);
  const [own] = desk.ring(party).keys as [SimKey];
  const [theirs] = desk.ring(other).keys as [SimKey];
  const many = (): SimKey[] => Array.from({ length: KEYS_PER_PARTY_MAX }, () => desk.freshKey());
  const change = await desk.random.pick<() => Promise<object>>([
    async () => ({ action: 'add', keys: [await desk.prove(party, own)] }),
    async () => ({ action: 'add', keys: [await desk.prove(party, theirs)] }),
    async () => ({ action: 'add', keys: [await desk.prove(other, desk.freshKey())] }),
    async () => ({ action: 'add', keys: await Promise.all(many().map((key) => desk.prove(party, key))) }),
    async () => ({ action: 'revoke', kid: theirs.kid }),
    async () => ({ action: 'threshold', threshold: KEYS_PER_PARTY_MAX }),
    async () => ({ action: 'threshold', threshold: 1 }),
  ])();
  const initiator = desk.random.pick([party, party, desk.authorityOver(party), other]);
  return [await desk.make({ kind: 'key', initiator, party, ...change }, [initiator])];
};

const suspension: Act = async (desk) => {
  const party = desk.random.pick(desk.banks);
  const initiator = desk.random.chance(900) ? desk.authorityOver(party) : desk.random.pick(desk.banks);
  const named = desk.random.chance(950) ? party : desk.authorityOver(party);
  const act = (action: string): Promise<JwsJson> =>
    desk.make({ kind: 'participant', action, initiator, party: named }, [initiator]);
  return [await act('suspend'), await act('reinstate')];
};

/** A bank that is new; at times, and once all are in, one that is there already. */
const admit: Act = async (desk) => {
  const next = desk.random.chance(300) ? null : desk.newcomer();
  if (next === null) {
    const home = desk.random.pick(desk.jurisdictions);
    return [await admission(desk, desk.random.pick(home.banks), home.authority, home.code)];
  }
  return [await admission(desk, next.party, next.home.authority, next.home.code)];
};

export async function admission(desk: Desk, party: string, authority: string, jurisdiction: string): Promise<JwsJson> {
  const { keys, threshold } = desk.ring(party);
  const proven = await Promise.all(keys.map((key) => desk.prove(party, key)));
  const fields = {
    kind: 'participant',
    action: 'admit',
    party,
    name: party,
    lei: LEI,
    jurisdiction,
    keys: proven,
    threshold,
  };
  return desk.make({ initiator: authority, ...fields }, [authority]);
}

/** Expires before it is ordered, or just after; the id stays free when it was in time for nothing. */
const shortLived: Act = async (desk) => {
  const leg = payment(desk);
  const validityMs = 5_000 + desk.random.between(20, 3_000);
  return [await settle(desk, leg.from, [leg], [leg.from], {}, validityMs)];
};

/** Issued for a little later, which waits at the door, or for so much later that the door refuses it. */
const issuedAhead: Act = async (desk) => {
  const leg = payment(desk);
  const aheadMs = desk.random.pick([50, 400, 950, 2_000, DAY_MS]);
  const dates = { issued: desk.inMs(aheadMs), expires: desk.inMs(aheadMs + 60_000) };
  return [await settle(desk, leg.from, [leg], [leg.from], dates)];
};

const laterCancelUntil: Act = async (desk) => {
  const [there, back] = exchange(desk);
  const cancelUntil = desk.inMs(desk.random.pick([1_100, 30_000, DAY_MS]));
  return [await settle(desk, there.from, [there, back], [there.from], { cancelUntil })];
};

const strangers: Act = async (desk) => {
  const leg = payment(desk);
  const legs = desk.random.pick([
    [{ ...leg, to: 'NOBOHKHHXXX' }],
    [{ ...leg, asset: 'NOSUCHCOIN' }],
    [{ ...leg, from: desk.random.pick(desk.banks.filter((bank) => bank !== leg.to)) }],
  ]);
  const initiator = desk.random.pick([leg.from, desk.random.pick(desk.banks)]);
  return [await settle(desk, initiator, legs, [initiator])];
};

/** Several under one signature, each on its own way. */
const list: Act = async (desk) => {
  const [party] = desk.two(desk.banks);
  const built = Array.from({ length: desk.random.between(2, 7) }, () => {
    const { to, asset, amount } = payment(desk);
    const [other] = desk.banks.filter((bank) => bank !== party) as [string, ...string[]];
    return desk.build({
      ...SETTLE,
      initiator: party,
      legs: [{ from: party, to: to === party ? other : to, asset, amount }],
    });
  });
  return desk.signList(
    party,
    built.map(({ payloadBytes }) => payloadBytes),
    built.map(({ digest }) => digest),
  );
};

/** A node key comes, at times one that is taken or another party's; and one goes, at times one that a validator needs. */
const nodeKeys: Act = async (desk) => {
  const party = desk.random.pick(desk.banks);
  const key = desk.freshKey();
  const initiator = desk.random.chance(800) ? party : desk.authorityOver(party);
  const keys = [await desk.prove(party, desk.random.chance(900) ? key : partyKey(party))];
  const add = await desk.make({ kind: 'key', action: 'node', initiator, party, keys }, [initiator]);
  const { validators } = desk.genesis.validators;
  const member = desk.random.pick(validators);
  const gone = desk.random.chance(700)
    ? { initiator: party, party, kid: key.kid }
    : { initiator: member.party, party: member.party, kid: ed25519Thumbprint(fromHex(member.networkKey)) };
  const revoke = await desk.make({ kind: 'key', action: 'revoke', ...gone }, [gone.initiator]);
  return [add, revoke];
};

/** A node key's owner tries to use it as its bank's key. */
const nodeKeyPays: Act = async (desk) => {
  const leg = payment(desk);
  const key = desk.freshKey();
  const keys = [await desk.prove(leg.from, key)];
  const add = await desk.make({ kind: 'key', action: 'node', initiator: leg.from, party: leg.from, keys }, [leg.from]);
  const pay = desk.build({ ...SETTLE, initiator: leg.from, legs: [leg] });
  return [add, await signInstruction(pay, [desk.signerOf(key)])];
};

/**
 * An authority asks for a set that nobody will be ready for, others agree or not, and in the end it takes that back: the
 * validators stay who they are.
 */
const governInVain: Act = async (desk) => {
  const [initiator, ...others] = desk.jurisdictions.map(({ authority }) => authority) as [string, ...string[]];
  const { validators } = desk.genesis.validators;
  const [first, ...rest] = validators.map(({ party, voteKey, networkKey }) => ({ party, voteKey, networkKey }));
  const set = desk.random.pick([
    [first, ...rest],
    [...rest, first],
    [first, ...rest.map((member) => ({ ...member, voteKey: member.networkKey, networkKey: member.voteKey }))],
  ]);
  const asker = desk.random.chance(800) ? initiator : desk.random.pick(desk.banks);
  const validityMs = desk.random.chance(800) ? undefined : 5_000 + desk.random.between(100, 2_000);
  const fields = { kind: 'govern', initiator: asker, change: { type: 'validators', validators: set } };
  const signers = desk.random.chance(100) ? others : others.slice(0, desk.random.between(0, 1));
  const govern = await desk.make(fields, [asker, ...signers], validityMs);
  const { digest } = readJws(govern);
  const voices = await Promise.all(
    desk.random.chance(500)
      ? []
      : [desk.random.pick(others), desk.random.pick(desk.banks)].map((party) =>
          desk.make({ kind: 'consent', initiator: party, settlement: digest }, [party]),
        ),
  );
  const strangers = desk.random.chance(700)
    ? []
    : [
        await desk.make({ kind: 'withdraw', initiator: others[0], settlement: digest }, [others[0] as string]),
        await desk.make({ kind: 'ready', initiator: others[0], change: digest }, [others[0] as string]),
      ];
  const back = await desk.make({ kind: 'withdraw', initiator: asker, settlement: digest }, [asker]);
  return [govern, ...voices, ...strangers, back];
};

/** An act with its share of each profile. */
export type Share = readonly [act: Act, light: number, full: number, hostile: number];

export const ACTS: readonly Share[] = [
  [pay, 45, 60, 10],
  [pvp, 20, 20, 5],
  [propose, 6, 3, 8],
  [bundle, 5, 4, 6],
  [passThrough, 1, 1, 2],
  [consent, 5, 3, 8],
  [consentToTerms, 2, 2, 6],
  [cosign, 3, 2, 6],
  [withdraw, 2, 1, 5],
  [consentFirst, 2, 1, 6],
  [consentToAnything, 1, 1, 5],
  [replay, 3, 2, 8],
  [sameId, 2, 1, 5],
  [sharedId, 1, 1, 2],
  [wrongSigner, 1, 1, 3],
  [tooFewKeys, 1, 1, 3],
  [overdraw, 2, 1, 5],
  [atLimit, 1, 1, 4],
  [issue, 2, 1, 4],
  [changeAsset, 1, 1, 4],
  [token, 1, 1, 3],
  [rotateKey, 1, 1, 4],
  [wrongKeys, 1, 1, 4],
  [suspension, 1, 1, 3],
  [admit, 1, 1, 1],
  [shortLived, 1, 1, 5],
  [issuedAhead, 1, 1, 4],
  [laterCancelUntil, 1, 1, 3],
  [strangers, 1, 1, 3],
  [list, 1, 2, 3],
  [nodeKeys, 1, 0, 2],
  [nodeKeyPays, 1, 0, 1],
  [governInVain, 0, 0, 2],
];
