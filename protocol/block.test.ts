/** The canonical encoding: golden hashes, one value for one encoding, and refusal of all other bytes. */
import fc from 'fast-check';
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
import { decodeMessage, encodeMessage, type Message } from './envelope.js';
import { hashOf } from './hash.js';
import { BATCH_ITEMS_MAX } from './limits.js';
import { merklePath, merkleRoot, rootOfPath } from './merkle.js';
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
const messages: readonly Message[] = [
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
];

t.test('golden: a change of format changes these, and comes with its reason', async (t) => {
  const voteHash = (kind: Ballot['kind']): Hash =>
    hashOf(voteSigningBytes(network, set, ballots.find((ballot) => ballot.kind === kind) as Ballot));
  const messageHash = (type: Message['type']): Hash =>
    hashOf(encodeMessage(messages.find((message) => message.type === type) as Message));
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
    ['message proposal', messageHash('proposal'), 'a6d3c6774ebfcda46964322cff2e140e54baece00cbd7ec3fb76f3187e02ebcb'],
    ['message vote', messageHash('vote'), 'e7b4b882dc16520bcc35e10297a855bdfd20f565cb07f0f5d9b076beec870957'],
    [
      'message certificate',
      messageHash('certificate'),
      '0f7f62e2a7dc7bfb803a4eadd1deaaed838c54d776259bc60ce5aa86c43d8e28',
    ],
    [
      'message wantCertificates',
      messageHash('wantCertificates'),
      '5825fd8079c7bccd33febd4d60afadcf3b3fb19c30754a106728a06ed9fb8621',
    ],
    ['message held', messageHash('held'), 'ccebea965e1eae415d81f625635c251b800ac2c38206f90a8e4ae6262c5d3152'],
    ['message batch', messageHash('batch'), 'd68f18bb8bebbd37245be43c7d589acf57d83cabed4c4196579989514fe2a925'],
    [
      'message wantBatches',
      messageHash('wantBatches'),
      '03fe18871e2234beb742b69ba9b40003ed4560a964f4c26b7b509a523076815d',
    ],
    ['message wantBlock', messageHash('wantBlock'), 'f1cf47d1d2f948b39eb31f17c19c8e0aea65949dbfa09a62a9a3729a6d62981d'],
    ['message wantFinal', messageHash('wantFinal'), 'dc4c515643e287a8773afb71c7b1eb9c155d89e5262070f83eccd0bb5c74d212'],
    ['message final', messageHash('final'), '32703285eee053661fedaccf4df1b249bd40c0abdc26ae4af6d15c4c17f916b7'],
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
  t.equal(decodeMessage(encodeMessage(messages[1] as Message).fill(7, 1, 2)), null, 'an unknown kind of vote');
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
