/**
 * The active currencies of ISO 4217 (list one) with their minor units, as of CURRENCIES_DATE: national currencies and
 * those of currency unions. Funds codes, metals, units of account and test codes are left out, since they circulate nowhere.
 * A change of this table changes what a ledger accepts, so it is a change of the protocol.
 */
export const CURRENCIES_DATE = '2025-11-01';

/** Codes by their minor units: digits after the decimal separator. */
const CODES: Readonly<Record<0 | 2 | 3, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF',
  2: [
    'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE',
    'CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW',
    'KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK',
    'PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS',
    'UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG',
  ].join(' '),
  3: 'BHD IQD JOD KWD LYD OMR TND',
};

const MINOR_UNITS: ReadonlyMap<string, number> = new Map(
  ([0, 2, 3] as const).flatMap((minorUnits) => CODES[minorUnits].split(' ').map((code) => [code, minorUnits] as const)),
);

/** The minor units of an active ISO 4217 currency, or null for any other text. */
export const minorUnitsOf = (code: string): number | null => MINOR_UNITS.get(code) ?? null;
