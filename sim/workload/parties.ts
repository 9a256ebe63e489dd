/** Who there is in the virtual world: jurisdictions with their authorities, banks, and the keys that they sign with. */
import { assert, type Hash } from '../../protocol/types.js';
import { type SimKey, simKey } from '../crypto.js';

export interface Jurisdiction {
  readonly code: string;
  readonly authority: string;
  readonly currency: string;
  readonly decimals: number;
  readonly banks: readonly string[];
}

/** The first of these run the validators; a world of four has the first four. */
const ALL: readonly Jurisdiction[] = [
  { code: 'HK', authority: 'HKMAHKHHXXX', currency: 'HKD', decimals: 2, banks: ['ALFAHKHHXXX', 'BETAHKHHXXX'] },
  { code: 'CN', authority: 'PBOCCNBJXXX', currency: 'CNY', decimals: 2, banks: ['GAMACNBJXXX'] },
  { code: 'TH', authority: 'BOTHTHBKXXX', currency: 'THB', decimals: 2, banks: ['DELTTHBKXXX', 'EPSITHBKXXX'] },
  { code: 'AE', authority: 'CBAUAEAAXXX', currency: 'AED', decimals: 2, banks: ['ZETAAEAAXXX'] },
  { code: 'SA', authority: 'SAMASARIXXX', currency: 'SAR', decimals: 2, banks: ['ETABSARIXXX'] },
  { code: 'SG', authority: 'MASGSGSGXXX', currency: 'SGD', decimals: 2, banks: ['THETSGSGXXX'] },
  { code: 'DE', authority: 'MARKDEFFXXX', currency: 'EUR', decimals: 2, banks: ['IOTADEFFXXX'] },
  { code: 'GB', authority: 'BKENGB2LXXX', currency: 'GBP', decimals: 2, banks: ['KAPPGB2LXXX'] },
  { code: 'JP', authority: 'BOJPJPJTXXX', currency: 'JPY', decimals: 0, banks: ['LAMBJPJTXXX'] },
  { code: 'BH', authority: 'CBBHBHBMXXX', currency: 'BHD', decimals: 3, banks: ['MUBABHBMXXX'] },
];
/** Banks that are admitted while the network is at work, to jurisdictions that every world has. */
const NEWCOMERS = ['NEWAHKHHXXX', 'NEWBCNBJXXX', 'NEWCTHBKXXX', 'NEWDAEAAXXX'] as const;

export const jurisdictionsOf = (validators: number): readonly Jurisdiction[] => {
  assert(validators >= 1 && validators <= ALL.length, `the world has ${ALL.length} jurisdictions`);
  return ALL.slice(0, Math.max(4, validators));
};

const NAMES: readonly string[] = [...ALL.flatMap(({ authority, banks }) => [authority, ...banks]), ...NEWCOMERS];
export const newcomersOf = ({ code }: Jurisdiction): readonly string[] =>
  NEWCOMERS.filter((party) => party.slice(4, 6) === code);

/** Keys with the numbers below this are the validators': vote key 2i and network key 2i + 1. */
const FIRST_PARTY_KEY = 100;
const SLOTS = 3;
/** A key that the party has from its admission on, in one of its slots. */
export function partyKey(party: string, slot = 0): SimKey {
  const at = NAMES.indexOf(party);
  assert(at >= 0 && slot < SLOTS, `${party} is one of the world's parties, and starts with few keys`);
  return simKey(FIRST_PARTY_KEY + slot * NAMES.length + at);
}
/** The `nth` key that anybody makes later. */
export const laterKey = (nth: number): SimKey => simKey(FIRST_PARTY_KEY + SLOTS * NAMES.length + nth);

export const hexKey = (index: number): Hash =>
  [...simKey(index).key].map((byte) => byte.toString(16).padStart(2, '0')).join('') as Hash;

/** How many keys a party starts with, and how many of them must sign. Two of three for an authority and a bank. */
export const startOf = (party: string): { readonly keys: number; readonly threshold: number } =>
  party === 'PBOCCNBJXXX' || party === 'BETAHKHHXXX' ? { keys: 3, threshold: 2 } : { keys: 1, threshold: 1 };
