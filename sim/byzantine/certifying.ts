/** Lies about certificates and blocks that are over: withheld, stale, forged; and answers that are none. */
import type { Message } from '../../protocol/envelope.js';
import { SYNC_BLOCKS_MAX } from '../../protocol/limits.js';
import type { Ballot, BlockId, Certificate, Root, View } from '../../protocol/types.js';
import { CERTIFICATE_LIES, rival, rubbishHash } from './forge.js';
import type { Liar, Lie } from './liar.js';

const REPLAYS = 8;

/** A ballot of a view to come that the liar would like to be certified. */
function wantedBallot(liar: Liar): Ballot {
  const ahead = liar.random.pick([0, 0, 1, 2, liar.random.between(3, 70)]);
  const view = (liar.view + ahead) as View;
  const block = rubbishHash(liar.random) as BlockId;
  return liar.random.pick<Ballot>([
    { kind: 'notarize', view, block, root: null },
    { kind: 'nullify', view, block: null, root: null },
    { kind: 'finalize', view, block, root: rubbishHash(liar.random) as Root },
  ]);
}

async function forgedCertificate(liar: Liar): Promise<Certificate | null> {
  const seat = liar.seat();
  const { certificates } = liar.overheard;
  if (seat === null || certificates.length === 0) return null;
  const wanted = wantedBallot(liar);
  const { signature, signer } = await liar.vote(wanted);
  const { lie } = liar.inTurn(CERTIFICATE_LIES);
  const real = liar.random.pick(certificates);
  return lie({ real, wanted, signer, signature, n: seat.set.validators.length }, liar.random);
}

/** Final blocks with something else in them than was certified. */
function forgedFinal(liar: Liar, message: Extract<Message, { type: 'final' }>): Message {
  const { headers } = message;
  const last = headers.at(-1);
  const first = headers[0];
  if (last === undefined || first === undefined) return message;
  return liar.random.pick<Message>([
    { ...message, headers: [...headers.slice(0, -1), rival(last)] },
    { ...message, headers: [rival(first), ...headers.slice(1)] },
    { ...message, headers: headers.toReversed() },
    { ...message, headers: [] },
    { ...message, headers: headers.slice(0, -1) },
    { ...message, headers: Array.from({ length: SYNC_BLOCKS_MAX }, () => last) },
    { ...message, certificate: { ...message.certificate, ballot: wantedBallot(liar) } },
  ]);
}

export const CERTIFYING: Readonly<Record<string, Lie>> = {
  withholds_certificates: {
    does: 'forwards no certificate to some of its peers',
    rule: 'Timers, repeat: who misses a certificate nullifies, and is answered by whoever is further',
    speak: (liar, { to, message }) => {
      if (message.type !== 'certificate') return null;
      if (!liar.isLiedTo(`certificates/${message.certificate.ballot.view}`, to)) return null;
      liar.met('withholds_certificates');
      return [];
    },
  },
  stale_replays: {
    does: 'tells old votes, proposals, certificates and final blocks of anybody again',
    rule: 'Messages: what is known, or of a view that is final, is dropped before a signature is checked',
    act: (liar) => {
      const { said } = liar.overheard;
      if (said.length === 0) return;
      for (let i = 0; i < REPLAYS; i++) liar.send(liar.random.pick(liar.others()), 'consensus', liar.random.pick(said));
      liar.met('stale_replays');
    },
  },
  forged_certificates: {
    does: 'makes certificates of views to come out of its own signature, garbage, and signatures of other ballots',
    rule: 'Votes and certificates: signers ascend, are of the set, are a quorum, and every signature holds',
    act: async (liar) => {
      const certificate = await forgedCertificate(liar);
      if (certificate === null) return;
      liar.send(liar.random.pick(liar.others()), 'consensus', { type: 'certificate', certificate });
      liar.met('forged_certificates');
    },
  },
  lying_answers: {
    does: 'answers what it is asked with forged final blocks, batches that do not belong, and other proposals',
    rule: 'Fetching: what comes is checked as if it had come unasked, and asked for again from another',
    speak: (liar, { purpose, message }) => {
      const { random, overheard } = liar;
      if (message.type === 'final') {
        liar.met('lying_answers');
        return [forgedFinal(liar, message)];
      }
      if (purpose !== 'sync' || (message.type !== 'batch' && message.type !== 'proposal')) return null;
      liar.met('lying_answers');
      if (message.type === 'batch' && overheard.batches.length > 0) return [random.pick(overheard.batches)];
      const other = overheard.said.filter(({ type }) => type === 'proposal');
      return other.length > 0 ? [random.pick(other)] : [];
    },
  },
  answers_nothing: {
    does: 'says how far it is, and answers no request',
    rule: 'Fetching: a request is made again every Δ, to another peer each time',
    hear: (liar, _, { type }) => {
      const isRequest =
        type === 'wantBatches' || type === 'wantBlock' || type === 'wantFinal' || type === 'wantCertificates';
      if (isRequest) liar.met('answers_nothing');
      return !isRequest;
    },
  },
};
