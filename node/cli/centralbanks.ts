/** The central banks that `network create` knows. BICs and currencies are theirs; the LEIs are made up, with check digits that hold. */

export interface CentralBank {
  readonly jurisdiction: string;
  readonly party: string;
  readonly name: string;
  readonly lei: string;
  /** ISO 4217. */
  readonly currency: string;
}

export const CENTRAL_BANKS: readonly CentralBank[] = [
  { jurisdiction: 'HK', party: 'HKMAHKHHXXX', name: 'Hong Kong Monetary Authority', lei: lei('HK'), currency: 'HKD' },
  { jurisdiction: 'CN', party: 'PBOCCNBJXXX', name: "People's Bank of China", lei: lei('CN'), currency: 'CNY' },
  { jurisdiction: 'TH', party: 'BOTHTHBKXXX', name: 'Bank of Thailand', lei: lei('TH'), currency: 'THB' },
  { jurisdiction: 'AE', party: 'CBAUAEAAXXX', name: 'Central Bank of the UAE', lei: lei('AE'), currency: 'AED' },
  { jurisdiction: 'SA', party: 'SAMASARIXXX', name: 'Saudi Central Bank', lei: lei('SA'), currency: 'SAR' },
  {
    jurisdiction: 'SG',
    party: 'MASGSGSGXXX',
    name: 'Monetary Authority of Singapore',
    lei: lei('SG'),
    currency: 'SGD',
  },
  { jurisdiction: 'JP', party: 'BOJPJPJTXXX', name: 'Bank of Japan', lei: lei('JP'), currency: 'JPY' },
  {
    jurisdiction: 'US',
    party: 'FRNYUS33XXX',
    name: 'Federal Reserve Bank of New York',
    lei: lei('US'),
    currency: 'USD',
  },
  // Of the euro area; it stands under the country of its seat, which its BIC and ISO 3166 have.
  { jurisdiction: 'DE', party: 'ECBFDEFFXXX', name: 'European Central Bank', lei: lei('DE'), currency: 'EUR' },
  { jurisdiction: 'GB', party: 'BKENGB2LXXX', name: 'Bank of England', lei: lei('GB'), currency: 'GBP' },
  { jurisdiction: 'CH', party: 'SNBZCHZZXXX', name: 'Swiss National Bank', lei: lei('CH'), currency: 'CHF' },
  { jurisdiction: 'CA', party: 'BCANCAW2XXX', name: 'Bank of Canada', lei: lei('CA'), currency: 'CAD' },
  { jurisdiction: 'AU', party: 'RSBKAU2SXXX', name: 'Reserve Bank of Australia', lei: lei('AU'), currency: 'AUD' },
  { jurisdiction: 'NZ', party: 'RBNZNZ2WXXX', name: 'Reserve Bank of New Zealand', lei: lei('NZ'), currency: 'NZD' },
  { jurisdiction: 'SE', party: 'RIKSSESSXXX', name: 'Sveriges Riksbank', lei: lei('SE'), currency: 'SEK' },
  { jurisdiction: 'NO', party: 'NBHKNOKKXXX', name: 'Norges Bank', lei: lei('NO'), currency: 'NOK' },
  { jurisdiction: 'DK', party: 'DKNBDKKKXXX', name: 'Danmarks Nationalbank', lei: lei('DK'), currency: 'DKK' },
  { jurisdiction: 'KR', party: 'BOKRKRSEXXX', name: 'Bank of Korea', lei: lei('KR'), currency: 'KRW' },
  { jurisdiction: 'ZA', party: 'SARBZAJPXXX', name: 'South African Reserve Bank', lei: lei('ZA'), currency: 'ZAR' },
  { jurisdiction: 'IL', party: 'ISRAILIJXXX', name: 'Bank of Israel', lei: lei('IL'), currency: 'ILS' },
  { jurisdiction: 'MX', party: 'BDEMMXMMXXX', name: 'Banco de México', lei: lei('MX'), currency: 'MXN' },
  { jurisdiction: 'HU', party: 'MANEHUHBXXX', name: 'Magyar Nemzeti Bank', lei: lei('HU'), currency: 'HUF' },
  {
    jurisdiction: 'TW',
    party: 'CBCTTWTPXXX',
    name: 'Central Bank of the Republic of China (Taiwan)',
    lei: lei('TW'),
    currency: 'TWD',
  },
];

/** ISO 17442: eighteen characters, then two digits so that the whole, letters as two digits each, is 1 modulo 97. */
function lei(jurisdiction: string): string {
  const body = `98450000CAUSEWAY${jurisdiction}`;
  const digits = `${body}00`.replace(/[A-Z]/g, (letter) => String(Number.parseInt(letter, 36)));
  return body + String(98n - (BigInt(digits) % 97n)).padStart(2, '0');
}
