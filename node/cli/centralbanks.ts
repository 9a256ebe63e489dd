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
];

/** ISO 17442: eighteen characters, then two digits so that the whole, letters as two digits each, is 1 modulo 97. */
function lei(jurisdiction: string): string {
  const body = `98450000CAUSEWAY${jurisdiction}`;
  const digits = `${body}00`.replace(/[A-Z]/g, (letter) => String(Number.parseInt(letter, 36)));
  return body + String(98n - (BigInt(digits) % 97n)).padStart(2, '0');
}
