/** What a node gives as a receipt, read as a stranger reads it: with the genesis file alone. */
import { decodeReceipt } from '../ledger/receipt.js';
import { type BundleTrust, verifyBundle } from '../protocol/bundle.js';
import type { SignatureJudge } from '../protocol/certificate.js';
import { utf8 } from '../protocol/codec.js';

/** Digest, code and height of the receipt, when its bundle holds offline; else what is wrong with it. */
export function receiptText(bundle: object, trusted: BundleTrust, check: SignatureJudge): string {
  const checked = verifyBundle(utf8(JSON.stringify(bundle)), trusted, check);
  if (!checked.ok) return checked.detail;
  const receipt = decodeReceipt(checked.receipt);
  return receipt === null ? 'no receipt' : outcomeText(receipt);
}

interface Outcome {
  readonly digest: string;
  readonly code: string;
  readonly height: number;
}
export const outcomeText = ({ digest, code, height }: Outcome): string => `${digest} ${code} ${height}`;
