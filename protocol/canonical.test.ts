import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { decodeByTable, encodeByTable, fromBase64url, toBase64url } from './base64url.js';
import { canonicalBytes, canonicalize, type Json, parseCanonical } from './canonical.js';
import { inCheckout } from './checkout.test-helper.js';
import { utf8 } from './codec.js';
import { CURRENCIES_DATE, minorUnitsOf } from './currencies.js';
import { fc } from './property.test-helper.js';
import { formatAmount, formatTime, isLei, parseAmount, parseTime } from './values.js';

const DATA = pathToFileURL(inCheckout('../shared/data/jcs/'));
const runs = { numRuns: 300 };

t.test('RFC 8785, section 3.2: its example', async (t) => {
  const input = String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`;
  const output = String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`;
  t.equal(canonicalize(JSON.parse(input) as Json), output);
  t.match(parseCanonical(utf8(input)), { ok: false, code: 'not_canonical' });
  t.match(parseCanonical(utf8(output)), { ok: true });
});

t.test('RFC 8785, section 3.2.3: members in the order of UTF-16 code units', async (t) => {
  const names = ['€', '\r', '\ufb33', '1', '😀', '\u0080', 'ö'];
  const value = Object.fromEntries(names.map((name) => [name, name])) as Json;
  const sorted = JSON.parse(
    `[${[...canonicalize(value).matchAll(/("(?:[^"\\]|\\.)*"):/g)].map((match) => match[1]).join(',')}]`,
  ) as string[];
  t.same(sorted, ['\r', '1', '\u0080', 'ö', '€', '😀', '\ufb33']);
});

t.test('RFC 8785, appendix B: numbers', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ];
  for (const [bits, text] of rows) {
    const value = new DataView(new BigUint64Array([BigInt(`0x${bits}`)]).buffer).getFloat64(0, true);
    t.equal(canonicalize(value), text, bits);
  }
  for (const value of [Number.NaN, Infinity, -Infinity]) t.throws(() => canonicalize(value), TypeError);
});

t.test(
  'published JCS vectors',
  existsSync(DATA) ? {} : { skip: 'NOT RUN: the folder of published vectors is absent' },
  async (t) => {
    const files = readdirSync(new URL('input/', DATA));
    t.ok(files.length >= 6);
    for (const file of files) {
      const input = new Uint8Array(readFileSync(new URL(`input/${file}`, DATA)));
      const output = new Uint8Array(readFileSync(new URL(`output/${file}`, DATA)));
      t.same(canonicalBytes(JSON.parse(new TextDecoder().decode(input)) as Json), output, file);
      t.equal(parseCanonical(output).ok, true, `${file}: its output is canonical`);
      t.equal(parseCanonical(input).ok, Buffer.from(input).equals(output), `${file}: its input only if it is the same`);
    }
  },
);

t.test('what is not canonical JSON is refused', async (t) => {
  const rows: readonly (readonly [string, string | Uint8Array, string])[] = [
    ['a space', '{"a": 1}', 'not_canonical'],
    ['a last line feed', '{"a":1}\n', 'not_canonical'],
    ['another order', '{"b":1,"a":2}', 'not_canonical'],
    ['another order, of names that are numbers', '{"9":1,"10":2}', 'not_canonical'],
    ['a member twice', '{"a":1,"a":1}', 'not_canonical'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', 'not_canonical'],
    ['minus zero', '-0', 'not_canonical'],
    ['a point that is not needed', '1.0', 'not_canonical'],
    ['an exponent', '1e2', 'not_canonical'],
    ['a number that doubles cannot tell', '9007199254740993', 'not_canonical'],
    ['a number too large', '1e400', 'not_canonical'],
    ['an escape that is not needed', '"\\u0041"', 'not_canonical'],
    ['an escaped solidus', '"\\/"', 'not_canonical'],
    ['upper-case hex', '"\\u000F"', 'not_canonical'],
    ['an escaped pair', '"\\ud83d\\ude00"', 'not_canonical'],
    ['a lone surrogate', '"\\ud83d"', 'not_canonical'],
    ['a lone surrogate in a name', '{"\\udead":1}', 'not_canonical'],
    ['a byte order mark', '\ufeff{}', 'not_json'],
    ['nothing', '', 'not_json'],
    ['two values', '1 2', 'not_json'],
    ['a comment', '{}//', 'not_json'],
    ['an encoded surrogate', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 'not_utf8'],
    ['an overlong character', Uint8Array.of(0x22, 0xc0, 0x80, 0x22), 'not_utf8'],
    ['nine levels', '[[[[[[[[[]]]]]]]]]', 'too_deep'],
    ['thirty thousand levels', '['.repeat(30_000) + ']'.repeat(30_000), 'too_deep'],
  ];
  for (const [name, text, code] of rows) {
    const parsed = parseCanonical(typeof text === 'string' ? utf8(text) : text);
    t.match(parsed, { ok: false, code }, name);
  }
  for (const text of ['{"10":1,"9":2}', '{"__proto__":{"a":1}}', '[[[[[[[[1]]]]]]]]', '"\\\\ud800"', '{"":0}'])
    t.equal(parseCanonical(utf8(text)).ok, true, text);
  t.throws(() => canonicalize('\ud83d'), TypeError);
  t.throws(() => canonicalize({ a: undefined } as never), TypeError);
});

t.test('any value has one text, and comes back from it', async () => {
  const value = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }) as fc.Arbitrary<Json>;
  fc.assert(
    fc.property(value, (json) => {
      const bytes = canonicalBytes(json);
      const parsed = parseCanonical(bytes);
      return parsed.ok && Buffer.from(canonicalBytes(parsed.value)).equals(bytes);
    }),
    runs,
  );
  const shuffled = (json: Json): Json =>
    json === null || typeof json !== 'object'
      ? json
      : Array.isArray(json)
        ? json.map(shuffled)
        : Object.fromEntries(
            Object.entries(json)
              .reverse()
              .map(([name, of]) => [name, shuffled(of)]),
          );
  fc.assert(
    fc.property(value, (json) => canonicalize(shuffled(json)) === canonicalize(json)),
    runs,
  );
});

t.test('base64url: the native codec and the table agree, and are strict', async (t) => {
  for (const text of ['A', 'AB', 'AAB', 'AA=', 'AA==', 'A A', 'AA\n', '+A', '/w', 'AAAAA', 'é', '_x']) {
    t.equal(fromBase64url(text), null, `${JSON.stringify(text)} is refused`);
    t.equal(decodeByTable(text), null, `${JSON.stringify(text)} is refused by the table`);
  }
  t.same(fromBase64url(''), new Uint8Array());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.string({ maxLength: 8 }), (bytes, text) => {
      const encoded = toBase64url(bytes);
      t.same(fromBase64url(text), decodeByTable(text));
      return (
        encodeByTable(bytes) === encoded &&
        Buffer.from(decodeByTable(encoded) as Uint8Array).equals(bytes) &&
        Buffer.from(fromBase64url(encoded) as Uint8Array).equals(bytes)
      );
    }),
    runs,
  );
});

t.test('times', async (t) => {
  t.equal(parseTime('1970-01-01T00:00:00Z'), 0);
  t.equal(parseTime('2025-11-22T03:04:05.6Z'), Date.UTC(2025, 10, 22, 3, 4, 5, 600));
  t.equal(parseTime('2024-02-29T23:59:59.999Z'), Date.UTC(2024, 1, 29, 23, 59, 59, 999));
  const refused = [
    '2025-02-29T00:00:00Z',
    '2100-02-29T00:00:00Z',
    '2025-04-31T00:00:00Z',
    '2025-00-10T00:00:00Z',
    '2025-13-10T00:00:00Z',
    '2025-01-00T00:00:00Z',
    '2025-01-01T24:00:00Z',
    '2025-01-01T00:60:00Z',
    '2016-12-31T23:59:60Z',
    '1969-12-31T23:59:59Z',
    '2025-01-01t00:00:00Z',
    '2025-01-01T00:00:00z',
    '2025-01-01 00:00:00Z',
    '2025-01-01T00:00:00+00:00',
    '2025-01-01T00:00:00',
    '2025-01-01T00:00:00.Z',
    '2025-01-01T00:00:00.1234Z',
    '2025-1-1T00:00:00Z',
    '12025-01-01T00:00:00Z',
    ' 2025-01-01T00:00:00Z',
    '2025-01-01T00:00:00Z\n',
    '٢٠٢٥-01-01T00:00:00Z',
    '',
  ];
  for (const text of refused) t.equal(parseTime(text), null, `${JSON.stringify(text)} is refused`);
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
      (date) => {
        const text = date.toISOString();
        return parseTime(text) === date.getTime() && formatTime(date.getTime()) === text;
      },
    ),
    { numRuns: 2000 },
  );
});

t.test('amounts', async (t) => {
  const rows: readonly (readonly [string, number, bigint | null])[] = [
    ['0', 0, 0n],
    ['1', 0, 1n],
    ['1', 2, 100n],
    ['1.5', 2, 150n],
    ['0.01', 2, 1n],
    ['1.50', 2, 150n],
    ['0.000000000000000001', 18, 1n],
    ['79228162514264337593543950335', 0, (1n << 96n) - 1n],
    ['79228162514264337593543950336', 0, null],
    ['792281625142643375935439503.36', 2, null],
    ['1.0', 0, null],
    ['1.505', 2, null],
    ['1.500', 2, null],
    ['01', 2, null],
    ['-1', 2, null],
    ['+1', 2, null],
    ['1e2', 2, null],
    ['1,5', 2, null],
    ['.5', 2, null],
    ['1.', 2, null],
    ['', 2, null],
    [' 1', 2, null],
    ['1\n', 2, null],
    ['٣', 2, null],
    ['1_000', 2, null],
    ['0x10', 2, null],
  ];
  for (const [text, decimals, minor] of rows)
    t.equal(parseAmount(text, decimals), minor, `${JSON.stringify(text)} of ${decimals} decimals`);
  t.equal(formatAmount(-5n, 2), '-0.05');
  t.equal(formatAmount(0n, 0), '0');
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 96n) - 1n }), fc.nat({ max: 18 }), (minor, decimals) => {
      // A text has at most 29 digits before the point and eighteen behind it.
      const text = formatAmount(minor, decimals);
      return parseAmount(text, decimals) === minor && (text.split('.')[1] ?? '').length === decimals;
    }),
    runs,
  );
});

t.test('LEI check digits', async (t) => {
  for (const lei of ['5493001KJTIIGC8Y1R12', '529900T8BM49AURSDO55', 'HWUPKR0MPOU8FGXBT394', '7LTWFZYICNSX8D621K86']) {
    t.equal(isLei(lei), true, lei);
    t.equal(
      isLei(`${lei.slice(1, 2)}${lei.slice(0, 1)}${lei.slice(2)}`),
      false,
      `${lei} with two characters exchanged`,
    );
    t.equal(isLei(lei.toLowerCase()), false);
  }
});

t.test('currencies', async (t) => {
  const rows = { HKD: 2, CNY: 2, THB: 2, AED: 2, JPY: 0, KRW: 0, KWD: 3, TND: 3, EUR: 2, XOF: 0, ZWG: 2, XCG: 2 };
  for (const [code, minorUnits] of Object.entries(rows)) t.equal(minorUnitsOf(code), minorUnits, code);
  for (const code of ['HRK', 'DEM', 'XAU', 'XDR', 'XXX', 'XTS', 'ZWL', 'CHE', 'usd', '', 'HKDX', 'toString'])
    t.equal(minorUnitsOf(code), null, code);
  t.not(parseTime(`${CURRENCIES_DATE}T00:00:00Z`), null);
});
