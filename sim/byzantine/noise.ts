/** Noise: frames that are none, on streams that are not theirs, and requests without end. */

import type { Purpose } from '../../node/ports.js';
import type { Message } from '../../protocol/envelope.js';
import type { BatchDigest, BlockId, Epoch, Height, ValidatorIndex, View } from '../../protocol/types.js';
import { FRAME_LIES, rubbishHash } from './forge.js';
import type { Liar, Lie } from './liar.js';

const PURPOSES: readonly Purpose[] = ['consensus', 'batches', 'sync'];
const REQUESTS = 40;
const FAR = Number.MAX_SAFE_INTEGER;

/** A request as no honest node makes it: for anything, from anywhere, of lanes and views that are not there. */
function request(liar: Liar): Message {
  const { random, overheard } = liar;
  const at = random.pick([0, 1, liar.view, random.between(0, 1_000), FAR]);
  const lane = random.pick([0, random.between(0, 3), 99, 0xffff]) as ValidatorIndex;
  const digest = rubbishHash(random) as BatchDigest;
  const point = random.pick([
    { incarnation: 0, number: at, digest },
    { incarnation: 0xffff_ffff, number: FAR, digest },
    ...(overheard.latest?.cut ?? []),
  ]);
  return random.pick<Message>([
    { type: 'wantBatches', lane, after: random.pick([0, at]), point },
    { type: 'wantFinal', from: at as Height },
    { type: 'wantHandOver', to: at as Epoch },
    { type: 'follow', height: at as Height, push: random.chance(500) },
    { type: 'wantCertificates', from: at as View, until: random.pick([0, at, FAR]) as View },
    {
      type: 'wantBlock',
      block: random.pick([digest as string as BlockId, overheard.latest?.parent ?? (digest as string as BlockId)]),
    },
  ]);
}

export const NOISE: Readonly<Record<string, Lie>> = {
  garbage_frames: {
    does: 'sends frames that are no message: random, cut short, too long, of another type, with counts without end',
    rule: 'Messages: bytes become a message in one place, and a frame that is none is punished',
    act: (liar) => {
      const { random, overheard } = liar;
      const real = overheard.said.length === 0 ? random.bytes(100) : liar.encoded(random.pick(overheard.said));
      const { lie } = liar.inTurn(FRAME_LIES);
      liar.sendFrame(random.pick(liar.others()), random.pick(PURPOSES), lie(real, random));
      liar.met('garbage_frames');
    },
  },
  wrong_purpose: {
    does: 'sends its messages on other streams than theirs',
    rule: 'Messages: streams only keep bulk from votes; what a message is stands in it',
    speak: (liar, { to, message }) => {
      liar.send(to, liar.random.pick(PURPOSES), message);
      liar.met('wrong_purpose');
      return [];
    },
  },
  endless_requests: {
    does: 'asks for batches, blocks, final blocks and certificates without end, of lanes and views that are not there',
    rule: 'Messages: a peer is answered a bounded number of bytes in a Δ',
    act: (liar) => {
      for (let i = 0; i < REQUESTS; i++) liar.send(liar.random.pick(liar.others()), 'sync', request(liar));
      liar.met('endless_requests');
    },
  },
};
