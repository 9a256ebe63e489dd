import t from 'tap';
import { fc } from '../protocol/property.test-helper.js';
import { EMPTY_SET, enter, first, type OrderedSet, strike, textsOf } from './orderedset.js';

t.test('an ordered set keeps its order, and old versions of it stay', (t) => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 99 })), { maxLength: 300 });
  fc.assert(
    fc.property(steps, (actions) => {
      let set: OrderedSet = EMPTY_SET;
      const model = new Set<string>();
      const past: [OrderedSet, string[]][] = [];
      for (const [adds, number] of actions) {
        const text = String(number).padStart(2, '0');
        set = adds ? enter(set, text) : strike(set, text);
        if (adds) model.add(text);
        else model.delete(text);
        past.push([set, [...model].sort()]);
      }
      for (const [version, texts] of past.filter((_, at) => at % 50 === 0)) {
        let rest = version;
        for (const text of texts) {
          if (first(rest) !== text) throw new Error('out of order');
          rest = strike(rest, text);
        }
        if (rest !== null) throw new Error('left over');
      }
      if (set !== null && set.height > 1.45 * Math.log2(model.size + 2)) throw new Error('unbalanced');
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('a listing has what begins so and comes after, in order, and no more than it may', (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' '), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(text), text, text, fc.nat({ max: 5 }), (texts, prefix, after, most) => {
      const set = texts.reduce<OrderedSet>((made, each) => enter(made, each), EMPTY_SET);
      const expected = [...new Set(texts)]
        .filter((each) => each.startsWith(prefix) && each > after)
        .sort((a, b) => (a < b ? -1 : 1))
        .slice(0, most);
      t.strictSame(textsOf(set, prefix, after, most), expected);
    }),
  );
  t.end();
});
