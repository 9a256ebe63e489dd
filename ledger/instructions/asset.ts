/** `asset`: an issuer defines an asset with its jurisdiction's authority, which sets the cap. */
import { minorUnitsOf } from '../../protocol/currencies.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { AssetCode, Bic, Jurisdiction } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type Asset, accountName } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import type { State } from '../state.js';
import { readAmount } from './settle.js';

const FIXED = ['class', 'issuer', 'jurisdiction', 'decimals'] as const satisfies readonly (keyof Asset)[];

/** Defines an asset, or changes the name or the cap of one. */
export function asset(posting: Posting, ordered: Ordered, payload: PayloadOf<'asset'>): void {
  const { instruction } = ordered;
  const { state, at } = posting;
  if (screen(posting, at.time, ordered) !== null) return;
  const judged = judge(state, payload);
  if (typeof judged !== 'string') {
    state.tables.assets.set(judged.asset, judged);
    // A higher cap lets an issuer pay more.
    if (state.queue.isDebited(accountName(judged.issuer, judged.asset))) state.queue.stir();
  }
  posting.conclude(instruction, typeof judged === 'string' ? judged : 'applied');
}

function judge(state: State, payload: PayloadOf<'asset'>): Asset | ResultCode {
  const { initiator } = payload;
  const standing = state.asset(payload.asset);
  if (state.participant(payload.issuer) === undefined) return 'unknown_party';
  if (state.participant(initiator)?.suspended === true) return 'party_suspended';
  const cap = readAmount(payload.cap, standing?.decimals ?? payload.decimals);
  const rights = standing === undefined ? mayDefine(state, payload) : mayChange(state, standing, payload, cap);
  if (!rights) return 'forbidden';
  const refusal = standing === undefined ? codeRefusal(payload) : fixedRefusal(standing, payload);
  if (refusal !== null) return refusal;
  if (typeof cap === 'string') return cap;
  if (standing !== undefined && cap < state.circulating(standing) + heldToIssue(state, standing))
    return 'cap_below_circulating';
  return {
    asset: payload.asset as AssetCode,
    class: payload.class,
    name: payload.name,
    issuer: payload.issuer as Bic,
    jurisdiction: payload.jurisdiction as Jurisdiction,
    decimals: payload.decimals,
    cap,
  };
}

/** What the issuer is bound to issue once it is revealed. */
const heldToIssue = (state: State, { issuer, asset: code }: Asset): bigint =>
  state.locks.held(accountName(issuer, code));

/** The issuer defines; only an authority issues central bank money. That the authority signed too is checked before. */
function mayDefine(state: State, { initiator, issuer, jurisdiction, class: kind }: PayloadOf<'asset'>): boolean {
  const authority = state.authorityOf(jurisdiction);
  return initiator === issuer && authority !== undefined && (kind !== 'wcbdc' || authority === issuer);
}

/** The issuer changes the name, the authority of the asset's jurisdiction the cap. */
function mayChange(
  state: State,
  standing: Asset,
  { initiator, name }: PayloadOf<'asset'>,
  cap: Asset['cap'] | ResultCode,
): boolean {
  const isIssuer = initiator === standing.issuer;
  const isAuthority = initiator === state.authorityOf(standing.jurisdiction);
  if (name !== standing.name && !isIssuer) return false;
  if (cap !== standing.cap && !isAuthority) return false;
  return isIssuer || isAuthority;
}

/** Codes of three characters are kept for central bank money, which has ISO 4217's code and minor units. */
function codeRefusal({ asset: code, class: kind, decimals }: PayloadOf<'asset'>): ResultCode | null {
  if (kind !== 'wcbdc') return code.length === 3 ? 'asset_code_reserved' : null;
  return minorUnitsOf(code) === decimals ? null : 'asset_not_iso4217';
}

const fixedRefusal = (standing: Asset, payload: PayloadOf<'asset'>): ResultCode | null =>
  FIXED.some((member) => standing[member] !== payload[member]) ? 'asset_fixed_member' : null;
