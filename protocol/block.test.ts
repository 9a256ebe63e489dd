/** The canonical encoding: golden hashes, one value for one encoding, and refusal of all other bytes. */

import t from 'tap';
import {
  batchDigest,
  batchSigningBytes,
  blockId,
  decodeBatch,
  decodeCertificate,
  encodeBatch,
  encodeCertificate,
  encodeHeader,
  genesisBlockId,
  genesisResultRoot,
  laneStart,
  networkId,
  resultRoot,
  validatorSet,
  voteSigningBytes,
} from './block.js';
import { decode, fromHex, Reader, toHex, utf8, Writer } from './codec.js';
import { decodeMessage, encodeMessage, type Framed, type Message } from './envelope.js';
import { hashOf } from './hash.js';
import { BATCH_ITEMS_MAX } from './limits.js';
import { merklePath, merkleRoot, rootOfPath } from './merkle.js';
import { fc } from './property.test-helper.js';
import type {
  Ballot,
  Batch,
  BatchDigest,
  Bic,
  BlockHeader,
  BlockId,
  Epoch,
  Hash,
  Height,
  InstructionDigest,
  NetworkId,
  PeerKey,
  Root,
  TimestampMs,
  ValidatorIndex,
  View,
} from './types.js';

const hash = (name: string): Hash => hashOf(utf8(name));
const network = hash('network') as NetworkId;
const index = (value: number): ValidatorIndex => value as ValidatorIndex;
const view = (value: number): View => value as View;
const set = validatorSet(
  0 as Epoch,
  ['AAAAHKHHXXX', 'BBBBCNBJXXX', 'CCCCTHBKXXX', 'DDDDAEAAXXX'].map((party) => ({
    party: party as Bic,
    voteKey: hash(`${party} vote`),
    networkKey: hash(`${party} network`) as PeerKey,
  })),
);
const batch: Batch = {
  author: index(2),
  epoch: 0 as Epoch,
  incarnation: 1,
  number: 7,
  previous: hash('batch 6') as BatchDigest,
  items: [utf8('one'), utf8(''), new Uint8Array(300).fill(7)],
};
const header: BlockHeader = {
  network,
  epoch: 0 as Epoch,
  view: view(12),
  height: 9 as Height,
  parent: hash('parent') as BlockId,
  parentView: view(10),
  cut: [laneStart(0), { incarnation: 1, number: 7, digest: hash('tip') as BatchDigest }, laneStart(0), laneStart(2)],
  time: 1_767_600_000_123 as TimestampMs,
  proposer: index(0),
};
const block = hash('block') as BlockId;
const root = hash('root') as Root;
const ballots: readonly Ballot[] = [
  { kind: 'notarize', view: view(12), block, root: null },
  { kind: 'nullify', view: view(12), block: null, root: null },
  { kind: 'finalize', view: view(12), block, root },
];
const signature = new Uint8Array(64).fill(9);
const certificate = {
  ballot: ballots[2] as Ballot,
  signatures: [0, 2, 3].map((signer) => ({ signer: index(signer), signature })),
};
const vote = { ballot: ballots[0] as Ballot, signer: index(0), signature };
const bodies: readonly Message[] = [
  { type: 'proposal', proposal: { header, id: blockId(header), vote } },
  { type: 'vote', vote },
  { type: 'certificate', certificate },
  { type: 'wantCertificates', from: view(3), until: view(9) },
  { type: 'held', lanes: header.cut, finalHeight: 8 as Height },
  { type: 'batch', bytes: encodeBatch(batch), signature },
  {
    type: 'wantBatches',
    lane: index(1),
    after: 4,
    point: { incarnation: 1, number: 7, digest: hash('tip') as BatchDigest },
  },
  { type: 'wantBlock', block },
  { type: 'wantFinal', from: 5 as Height },
  { type: 'final', headers: [header, { ...header, height: 10 as Height }], certificate },
  { type: 'statement', statement: { block, root, signer: index(3), signature } },
  { type: 'wantHandOver', to: 2 as Epoch },
  {
    type: 'handOver',
    handOver: {
      kind: 'change',
      set,
      block,
      finalization: {
        ballot: { kind: 'finalize', view: view(7), block, root },
        signatures: [{ signer: index(0), signature }],
      },
      opening: { parentResultRoot: root, receiptsRoot: root, stateRoot: root },
      siblings: [hash('sibling')],
      statements: [{ signer: index(1), signature }],
    },
  },
  { type: 'submit', items: [Uint8Array.of(1, 2, 3), Uint8Array.of(4)] },
  { type: 'taken', digests: [hash('instruction') as InstructionDigest] },
  { type: 'follow', height: 5 as Height, push: true },
  { type: 'wantSnapshot', minHeight: 5 as Height },
  { type: 'snapshot', height: 6 as Height },
  { type: 'wantChunk', name: { kind: 'state', height: 6 as Height, depth: 3, index: 5 }, part: 1 },
  {
    type: 'chunk',
    name: { kind: 'ids', height: 6 as Height, hour: 490_000, chain: hash('chain') },
    part: 0,
    parts: 2,
    bytes: Uint8Array.of(1, 2),
  },
  { type: 'gone', height: 5 as Height },
];
const messages = bodies.map((body): Framed => ({ ...body, epoch: 3 as Epoch }));

const GOLDEN_MESSAGES = {
  statement: 'bc59e232138f92f174402b27b90500bc53f47a54aaa713a97ff1053c4d91ddc6',
  wantHandOver: '9254b4b14343b74c5019ba628a6727417bbd3bd880ef132d5e65b214c91171bd',
  handOver: '5ef28d95b968f82e98f448fdeb25e915810bd9f6d06925b5218067f34360119c',
  submit: '8e2204e62d9f3142db31723d155a8e9626cbef7fbb22b04b60d0f6ab732bee49',
  taken: 'a0f1e9ff849d21819b57b5e802ed0774615d808618728e41298785117171f502',
  follow: '063c4a63114edec958ee01f922a4280d090a2c3f3fd40e82fcf242c26d0172d5',
  wantSnapshot: 'badd133d4deda81a259441b88e04194fb55523baa68ad9c1346371b62ea82245',
  snapshot: 'beebadcc01ca754da09d800937450320a47eac85ccf99f43db4599327b1c4e21',
  wantChunk: 'e5eee4027c6c9768a31208b71e11a0f2ce90327dbcf0daf8cda3822fe5b6a28e',
  chunk: '31d2b16bf7605067ab7fcee38438cc0ebeaec80e28d48a57fe6db1c3e4e81b77',
  gone: '4fb15b5c330d2b3d62fd31cf049c36898753e2b51d991c52a4ca33d93bd47f68',
} as const;

t.test('golden: a change of format changes these, and comes with its reason', async (t) => {
  const voteHash = (kind: Ballot['kind']): Hash =>
    hashOf(voteSigningBytes(network, set, ballots.find((ballot) => ballot.kind === kind) as Ballot));
  const messageHash = (type: Message['type']): Hash =>
    hashOf(encodeMessage(messages.find((message) => message.type === type) as Framed));
  const golden: readonly (readonly [string, string, string])[] = [
    ['network', networkId(utf8('{}')), '0658a61799e29c0e4358fec85fe1542cc542aa535dca21fb6b9d2fe2d4715a26'],
    ['validator set', set.digest, '858d282f82be05229f39bc5a54307dad6cb3260232118720810862dc73d9e4bd'],
    ['batch', batchDigest(encodeBatch(batch)), 'cf54899ae0779e96477668a3d0fe01b523c1f27612d2a8760e7ea4118fd038a0'],
    [
      'what an author signs',
      hashOf(batchSigningBytes(network, hash('batch') as BatchDigest)),
      '254e156fa88ddeb101e8a5351735e796d9e72d0b689a6180fd9874e2100c1f66',
    ],
    ['block', blockId(header), '2eef87c2b6759812f8574d72e2790d505cab0a15365a79ea5d3f6575a683c6ef'],
    ['genesis block', genesisBlockId(network), '00c589ddf779a5488fcae424ddd2b72d872930476ae444bbc6bf5068ec9e65b6'],
    ['vote to notarize', voteHash('notarize'), 'db5c2750bd9cca91d28141dfc4faff3f6c727e57be72f0a14f28f375621934b7'],
    ['vote to nullify', voteHash('nullify'), '4cd9a894adad64fec85438fdd856bb4b181f56be8e3fb2b6a715004a722af551'],
    ['vote to finalize', voteHash('finalize'), '102bc2d85e199d5bc8218dc41173e74e6fa133628356fdf9af111b9b7b5f27c3'],
    [
      'certificate',
      hashOf(encodeCertificate(certificate)),
      'b905f660d5ec7c7d6de82be140be276a5215eb2545547c0e28ecc98b5fbc1d51',
    ],
    [
      'result root',
      resultRoot(root, hash('receipts') as Root, hash('state') as Root),
      'fe04ebc5e82445a68297abab9af082590d87f35c81120de6e6c8e915846bd023',
    ],
    [
      'genesis result root',
      genesisResultRoot(hash('state') as Root),
      'eeb60bc10527d8532cd18859f6ced7daff0743c59ee531ec349ded760973d3e8',
    ],
    ['message proposal', messageHash('proposal'), 'b69e92af22eb884055109ebae611f35a0c006a46d9861695fad9b4b44b51c61b'],
    ['message vote', messageHash('vote'), '1893e6a1679ce05bf7f6031cba758b273c0add21e5be214143b4fdb571009e3d'],
    [
      'message certificate',
      messageHash('certificate'),
      '0dd556cf3c2ff65fabd34788053be54c1a37e1fe1f8e0c0b3f71a215762900d7',
    ],
    [
      'message wantCertificates',
      messageHash('wantCertificates'),
      'd4d75033c7d1ae0939766188f003d5bc10faf94df403b10f42d9f6cbb9d594bf',
    ],
    ['message held', messageHash('held'), 'e66d9b58c8f78e58dc31020060c8316eef2830ef89c075e04e19ad5d3bf13b0d'],
    ['message batch', messageHash('batch'), '9c2eb299fa3dc6b9aaf8c8adaf7699349c155e7c4f997e338bff0559ab975130'],
    [
      'message wantBatches',
      messageHash('wantBatches'),
      'c5911d30826dd43280afe6d7151db21869db4b5721c706163809fdc88ed46df6',
    ],
    ['message wantBlock', messageHash('wantBlock'), '672f21bd3cb5601a3d3e93a1b65b7bcaba4d8869e593c7b8e5e56ff071073229'],
    ['message wantFinal', messageHash('wantFinal'), 'febf1f5e49e2c9ff35d687a0390d91e8b5ff06f505ee68d8f141adc2d33a60fe'],
    ...Object.entries(GOLDEN_MESSAGES).map(
      ([type, expected]) => [`message ${type}`, messageHash(type as Message['type']), expected] as const,
    ),
    ['message final', messageHash('final'), '509fb2f5a4908e24bbbf23b70bd63b353fb332a52d41ef2b9c61c42b0a0c82e7'],
  ];
  for (const [name, found, expected] of golden) t.equal(found, expected, name);
  t.equal(
    encodeHeader(header).length,
    32 + 8 * 3 + 32 + 8 + 4 + 4 * 44 + 8 + 2,
    'a header is as long as its layout says',
  );
});

t.test('what is written is read again, and nothing shorter, longer or out of bounds', async (t) => {
  t.strictSame(decodeBatch(encodeBatch(batch)), batch);
  t.strictSame(decodeCertificate(encodeCertificate(certificate)), certificate);
  for (const message of messages) {
    const frame = encodeMessage(message);
    t.strictSame(decodeMessage(frame), message, message.type);
    for (let length = 0; length < frame.length; length++) {
      if (decodeMessage(frame.subarray(0, length)) !== null) t.fail(`${message.type} cut to ${length} bytes was read`);
    }
    t.equal(decodeMessage(Uint8Array.from([...frame, 0])), null, `${message.type} with a byte more`);
  }
  t.equal(decodeMessage(Uint8Array.of(99)), null, 'an unknown message');
  t.equal(decodeMessage(encodeMessage(messages[1] as Framed).fill(7, 9, 10)), null, 'an unknown kind of vote');
  const many = new Writer()
    .u16(0)
    .u64(0)
    .u32(0)
    .u64(1)
    .hash(hash(''))
    .u32(BATCH_ITEMS_MAX + 1)
    .finish();
  t.equal(decodeBatch(many), null, 'more items than a batch may hold');
  t.equal(
    decode(new Uint8Array(8).fill(0xff), (reader) => reader.u64()),
    null,
    'a number above 2^53 - 1',
  );
  t.equal(
    decode(Uint8Array.of(0, 0, 0, 1, 0xff), (reader) => reader.text(8)),
    null,
    'a text that is not UTF-8',
  );
});

t.test('random bytes are refused or are the one encoding of what they say', async (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...messages), fc.nat(), fc.integer({ min: 0, max: 255 }), (message, at, byte) => {
      const frame = encodeMessage(message);
      frame[at % frame.length] = byte;
      const read = decodeMessage(frame);
      if (read !== null && toHex(encodeMessage(read)) !== toHex(frame))
        throw new Error(`two encodings of ${message.type}`);
    }),
    { numRuns: 3000 },
  );
  t.pass('one value, one encoding');
});

t.test('numbers and amounts keep their width', async (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.bigInt({ min: -(2n ** 127n), max: 2n ** 127n - 1n }), (number, amount) => {
      const reader = new Reader(new Writer(1).u64(number).i128(amount).finish());
      return reader.u64() === number && reader.i128() === amount;
    }),
  );
  for (const bad of [-1, 256, 1.5, Number.NaN]) t.throws(() => new Writer().u8(bad), `u8 of ${bad}`);
  t.throws(() => new Writer().i128(2n ** 127n));
  t.throws(() => fromHex('0G'));
});

t.test('a path proves its leaf and no other', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (size, at, flip) => {
      const leaves = Array.from({ length: size }, (_, i) => hash(`leaf ${i}`));
      const found = at % size;
      const path = merklePath(leaves, found);
      const tree = merkleRoot(leaves);
      if (rootOfPath(leaves[found] as Hash, path) !== tree) throw new Error('a path does not lead to the root');
      const other = flip % size;
      if (other !== found && rootOfPath(leaves[other] as Hash, path) === tree)
        throw new Error('a path proves two leaves');
      if (rootOfPath(leaves[found] as Hash, { ...path, siblings: [...path.siblings, hash('more')] }) !== null) {
        throw new Error('a longer path was taken');
      }
    }),
  );
  t.equal(merkleRoot([]), '0'.repeat(64), 'an empty list');
  t.equal(rootOfPath(hash('x'), { index: 1, size: 1, siblings: [] }), null, 'an index past the size');
});

t.test('the first batch of an incarnation follows nothing, and no other does', (t) => {
  const previous = hash('before') as BatchDigest;
  const zero = laneStart(0).digest;
  const batchOf = (number: number, after: BatchDigest) =>
    decodeBatch(
      encodeBatch({ author: index(1), epoch: 3 as Epoch, incarnation: 1, number, previous: after, items: [] }),
    );
  t.equal(batchOf(1, zero)?.number, 1);
  t.equal(batchOf(2, previous)?.number, 2);
  for (const bad of [batchOf(1, previous), batchOf(2, zero), batchOf(0, zero), batchOf(0, previous)])
    t.equal(bad, null);
  t.end();
});
