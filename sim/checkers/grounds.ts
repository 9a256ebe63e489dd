/**
 * What honest nodes say stands on what was said before (protocol/SPEC.md, Why it is safe): a certificate of its epoch that
 * one passes on holds, a vote has a quorum's votes behind it, and each batch that is ordered is signed by its lane's author.
 * Judged here, votes and certificates from the frames of all nodes, batches from the blocks that are made final; what a node
 * believes is not asked. Of members that lie any vote may have been heard, and of the voter itself its own.
 */
import { batchDigest, batchSigningBytes, voteSigningBytes } from '../../protocol/block.js';
import { fromHex, toHex } from '../../protocol/codec.js';
import type { Framed } from '../../protocol/envelope.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { Ballot, Certificate, View, Vote } from '../../protocol/types.js';
import type { SignatureFact } from '../naive/ledger.js';
import type { CheckerOptions, Committed, Headers, Report, Watched } from './watched.js';

type Options = CheckerOptions & Required<Pick<CheckerOptions, 'genesis' | 'signatures'>>;

/** Of n members so many may lie, and so many are a quorum: by this file's own reckoning. */
const liarsMax = (n: number): number => Math.ceil(n / 3) - 1;
const quorumOf = (n: number): number => n - liarsMax(n);

export class Grounds {
  readonly #report: Report;
  readonly #genesis: Genesis;
  readonly #fact: SignatureFact;
  /** How many members of a set lie at most. */
  readonly #liars: number;
  readonly #headers: Headers;
  /** By epoch and ballot: the places of the honest members that have voted so. */
  readonly #voters = new Map<string, Set<number>>();
  /** Signatures that were judged, by epoch, ballot and place: what is signed twice is the same twice. */
  readonly #signatures = new Map<string, string>();

  constructor(report: Report, { genesis, signatures, honest, liars }: Options, headers: Headers) {
    this.#report = report;
    this.#genesis = genesis;
    this.#fact = signatures;
    this.#headers = headers;
    this.#liars = liars ?? (honest === undefined ? 0 : Number.MAX_SAFE_INTEGER);
  }

  /** An honest node made a block final: every batch of it is its author's. Passed over where the node is in another epoch: no set to judge by. */
  onFinal(node: Watched, { block: { header }, executed }: Committed): void {
    const set = node.running?.replica.members.set;
    if (set === undefined || set.epoch !== header.epoch) return;
    for (const { batch, bytes, signature } of executed.lanes.flat()) {
      const author = set.validators[batch.author];
      const message = batchSigningBytes(this.#genesis.network, batchDigest(bytes));
      const isSigned =
        author !== undefined && this.#fact({ alg: 'Ed25519', key: fromHex(author.networkKey), signature, message });
      if (isSigned) continue;
      this.#report(
        `grounds: block ${header.height} orders batch ${batch.number} of lane ${batch.author} without its author's signature`,
      );
      return;
    }
  }

  /** An honest node sends a message. */
  onSend(node: Watched, message: Framed): void {
    if (message.type === 'vote') this.#vote(node, message, message.vote);
    if (message.type === 'proposal') this.#vote(node, message, message.proposal.vote);
    if (message.type === 'certificate') this.#certificate(node, message.epoch, message.certificate);
    // Final blocks go to who may be an epoch behind: their epoch is that of the last of them, not the frame's.
    const last = message.type === 'final' ? message.headers.at(-1) : undefined;
    if (message.type === 'final' && last !== undefined) this.#certificate(node, last.epoch, message.certificate);
  }

  #vote(node: Watched, { epoch }: Framed, { ballot, signer }: Vote): void {
    const members = node.running?.replica.members;
    if (members === undefined || members.set.epoch !== epoch || members.self !== signer) return;
    const voters = this.#votersOf(epoch, ballot);
    if (voters.has(signer)) return;
    voters.add(signer);
    const isBacked = (said: Ballot): boolean => {
      const others = [...this.#votersOf(epoch, said)].filter((place) => place !== signer).length;
      return 1 + others + Math.min(this.#liars, liarsMax(members.size)) >= quorumOf(members.size);
    };
    const what = `node ${node.self} votes ${ballot.kind} in view ${ballot.view} of epoch ${epoch}`;
    const { kind, view, block } = ballot;
    if (kind === 'finalize' && !isBacked({ kind: 'notarize', view, block, root: null }))
      this.#report(`grounds: ${what} for a block that no quorum can have notarized`);
    const header = kind === 'notarize' && block !== null ? this.#headers.get(block) : undefined;
    if (header === undefined) return;
    const { parent, parentView } = header;
    // An epoch's own first block stands by itself.
    if (parentView > 0 && !isBacked({ kind: 'notarize', view: parentView, block: parent, root: null }))
      this.#report(`grounds: ${what} over a parent that no quorum can have notarized in view ${parentView}`);
    for (let between = parentView + 1; between < view; between++) {
      if (isBacked({ kind: 'nullify', view: between as View, block: null, root: null })) continue;
      this.#report(`grounds: ${what}, past view ${between}, which no quorum can have nullified`);
      return;
    }
  }

  #certificate(node: Watched, epoch: number, { ballot, signatures }: Certificate): void {
    const members = node.running?.replica.members;
    if (members === undefined || members.set.epoch !== epoch) return;
    const what = `node ${node.self} passes on a certificate to ${ballot.kind} view ${ballot.view} of epoch ${epoch}`;
    const { size, set } = members;
    const places = new Set(signatures.map(({ signer }) => signer));
    if (places.size < quorumOf(size) || places.size < signatures.length)
      this.#report(`grounds: ${what} by ${places.size} of ${size} in ${signatures.length} signatures`);
    for (const { signer, signature } of signatures) {
      const name = `${epoch}/${nameOf(ballot)}/${signer}`;
      const text = toHex(signature);
      if (this.#signatures.get(name) === text) continue;
      const member = set.validators[signer];
      const message = voteSigningBytes(this.#genesis.network, set, ballot);
      if (member === undefined || !this.#fact({ alg: 'Ed25519', key: fromHex(member.voteKey), signature, message })) {
        this.#report(`grounds: ${what} without the signature of ${signer}`);
        return;
      }
      this.#signatures.set(name, text);
    }
  }

  #votersOf(epoch: number, said: Ballot): Set<number> {
    const name = `${epoch}/${nameOf(said)}`;
    const known = this.#voters.get(name);
    if (known !== undefined) return known;
    const made = new Set<number>();
    this.#voters.set(name, made);
    return made;
  }
}

const nameOf = ({ kind, view, block, root }: Ballot): string => `${kind}/${view}/${block}/${root}`;
