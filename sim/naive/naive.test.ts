/** The naive ledger and the ledger come to the same receipts and balances; the audit sees what breaks the law. */
import t from 'tap';
import { signInstruction } from '../../node/api/signing.js';
import { toHex } from '../../protocol/codec.js';
import { encodeItem, type JwsJson } from '../../protocol/instruction.js';
import { voteKeyStatement } from '../../protocol/jws.js';
import type { Bic } from '../../protocol/types.js';
import { simKey } from '../crypto.js';
import { readJws } from '../workload.js';
import { Audit } from './audit.js';
import { Beside } from './beside.test-helper.js';

const SEEDS = [1, 2, 3] as const;
const BLOCKS = 30;
const KINDS_AND_CODES_MIN = 40;

t.test(
  'everything that banks do and do wrong comes to the same receipts, in their order, and the same balances',
  async (t) => {
    const met = new Set<string>();
    for (const seed of SEEDS) {
      const both = new Beside(seed, 'hostile');
      await both.open();
      await both.work(BLOCKS);
      t.strictSame(both.violations, [], `seed ${seed}`);
      for (const name of both.met) met.add(name);
    }
    // What the workload never meets is not compared.
    t.ok(met.size >= KINDS_AND_CODES_MIN, `${met.size} kinds of instruction with their codes were met`);
  },
);

t.test('a change of validators is asked for, approved, and executed when the next set is ready', async (t) => {
  const both = new Beside(5, 'light');
  const { desk, genesis } = both;
  await both.open();
  const [asker, second, third] = desk.jurisdictions.map(({ authority }) => authority) as [string, string, string];
  const bank = 'ALFAHKHHXXX';
  const node = both.desk.freshKey();
  const vote = simKey(60);
  const voteKey = toHex(vote.key);
  const key = { kind: 'key', action: 'node', initiator: bank, party: bank };
  t.strictSame(await both.one(await desk.make({ ...key, keys: [await desk.prove(bank, node)] }, [bank])), ['applied']);
  // The bank takes the place of the first validator, under a vote key that it proves.
  const statement = voteKeyStatement(genesis.network, { party: bank as Bic, voteKey });
  const possession = toHex(await vote.signer.sign(statement));
  const kept = genesis.validators.validators
    .slice(1)
    .map(({ party, networkKey, voteKey: vote }) => ({ party, networkKey, voteKey: vote }));
  const validators = [{ party: bank, voteKey, networkKey: toHex(node.key), possession }, ...kept];
  const change = { type: 'validators', validators };
  const govern = await desk.make({ kind: 'govern', initiator: asker, change }, [asker, second]);
  const { digest } = readJws(govern);
  t.strictSame(await both.one(govern), ['proposed']);
  t.strictSame(await both.one(await ready(both, kept[0]?.party as string, 1, digest)), ['unknown_change']);
  t.strictSame(await both.one(await desk.make({ kind: 'consent', initiator: third, settlement: digest }, [third])), [
    'consented',
    'approved',
  ]);
  for (const [place, member] of kept.entries())
    t.strictSame(await both.one(await ready(both, member.party, place + 1, digest)), ['ready'], 'a member that stays');
  const made = desk.build({ kind: 'ready', initiator: bank, change: digest });
  t.strictSame(await both.one(await signInstruction(made, [node.signer])), ['ready', 'applied']);
  t.strictSame(both.violations, []);
  t.equal(both.state.validators.epoch, 1);
  t.strictSame(both.naive.books.members, both.state.members());
});

/** A `ready` signed with the network key of a genesis validator's place. */
async function ready(both: Beside, party: string, place: number, change: string): Promise<JwsJson> {
  return signInstruction(both.desk.build({ kind: 'ready', initiator: party, change }), [simKey(2 * place + 1).signer]);
}

t.test('the audit believes the receipts, and sees what breaks the law', async (t) => {
  const both = new Beside(6, 'light');
  await both.open();
  const pay = (from: string, to: string, amount: string): Promise<JwsJson> =>
    both.desk.make({ kind: 'settle', mode: 'gross', initiator: from, legs: [{ from, to, asset: 'HKD', amount }] }, [
      from,
    ]);
  const define = { asset: 'HKD', class: 'wcbdc', name: 'HKD', issuer: 'HKMAHKHHXXX', jurisdiction: 'HK', decimals: 2 };
  const asset = await both.desk.make({ kind: 'asset', initiator: 'HKMAHKHHXXX', ...define, cap: '100' }, [
    'HKMAHKHHXXX',
  ]);
  const issue = await pay('HKMAHKHHXXX', 'ALFAHKHHXXX', '60');
  const receipt = (jws: JwsJson, code: string): Parameters<Audit['apply']>[1][number] => {
    const { digest, payload } = readJws(jws);
    return { digest, initiator: payload.initiator, id: payload.id, code };
  };
  const judge = (...told: readonly (readonly [JwsJson, string])[]): string[] => {
    const found: string[] = [];
    const audit = new Audit(both.genesis, (violation) => found.push(violation));
    const lanes = [[asset, issue, ...told.map(([jws]) => jws)].map((jws) => encodeItem(readJws(jws)))];
    audit.apply({ height: 1, time: 1, proposer: 0, lanes }, [receipt(asset, 'applied'), receipt(issue, 'settled')]);
    audit.apply(
      { height: 2, time: 2, proposer: 0, lanes },
      told.map(([jws, code]) => receipt(jws, code)),
    );
    return found.map((violation) => violation.slice(0, violation.indexOf(':')));
  };
  const [spend, overdraw, more] = [
    await pay('ALFAHKHHXXX', 'BETAHKHHXXX', '59'),
    await pay('ALFAHKHHXXX', 'BETAHKHHXXX', '60.01'),
    await pay('HKMAHKHHXXX', 'BETAHKHHXXX', '40.01'),
  ];
  t.strictSame(judge([spend, 'settled']), []);
  t.strictSame(judge([spend, 'proposed'], [spend, 'settled']), []);
  t.strictSame(judge([spend, 'settled'], [spend, 'settled']), ['once']);
  t.strictSame(judge([issue, 'duplicate_id']), ['once'], 'what has ended has no result again');
  t.strictSame(judge([overdraw, 'settled']), ['floor']);
  t.strictSame(judge([more, 'settled']), ['cap']);
  const { id } = readJws(spend).payload;
  const same = await both.desk.make({ ...readJws(overdraw).payload, id }, ['ALFAHKHHXXX']);
  t.strictSame(judge([spend, 'settled'], [same, 'insufficient_funds']), ['once'], 'an id stands for one payload');
  // A state in which money has come from nowhere, or has gone.
  const found: string[] = [];
  const audit = new Audit(both.genesis, (violation) => found.push(violation));
  audit.compare(both.state, 1, 0);
  t.match(found[0], /^all or none: /);
});
