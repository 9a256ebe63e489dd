import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as jose from 'jose';
import t from 'tap';
import { Compile } from 'typebox/compile';
import { RESULT_CODES } from '../../ledger/codes.js';
import { publicKeyOfSecret, verifyReference } from '../../protocol/crypto.js';
import { type Instruction, parseInstruction } from '../../protocol/instruction.js';
import { PAYLOAD_SCHEMAS } from '../../protocol/payload.js';
import { INSTRUCTION_CODES } from '../../protocol/refusal.js';
import type { NodeService } from '../ports.js';
import { EXAMPLE_DIGEST, EXAMPLE_JWS, EXAMPLE_MARGIN, EXAMPLE_PAYLOAD } from './example.js';
import { EXAMPLE_PROGRAM, guide } from './guide.js';
import { buildOpenApi } from './openapi.js';
import { PROBLEMS } from './problem.js';
import { OPERATION_IDS, ROUTES } from './routes.js';
import { createServer } from './server.js';

type Node = { readonly [member: string]: unknown };
interface Operation extends Node {
  readonly operationId: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: object;
  }[];
  readonly responses: Record<
    string,
    {
      readonly content: Record<
        string,
        { readonly schema: object; readonly example?: unknown; readonly examples?: Node }
      >;
    }
  >;
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly description: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}
// As it travels: whatever JSON drops is not in the document.
const document = JSON.parse(JSON.stringify(buildOpenApi('0.1.0'))) as Document;
const { schemas } = document.components;

function walk(value: unknown, visit: (node: Node) => void): void {
  if (typeof value !== 'object' || value === null) return;
  visit(value as Node);
  for (const inner of Object.values(value)) walk(inner, visit);
}

t.test('the document is OpenAPI 3.1, and says what the routes say', (t) => {
  t.match(document.openapi, /^3\.1\.\d$/);
  for (const id of OPERATION_IDS) {
    const route = ROUTES[id];
    const operation = document.paths[route.path]?.[route.method.toLowerCase()];
    if (operation === undefined) throw new Error(`${id} is missing`);
    t.equal(operation.operationId, id);
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    t.strictSame(
      operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
      inPath,
      `${id}: its parameters`,
    );
    t.ok(
      operation.parameters.every((parameter) => parameter.in !== 'path' || parameter.required),
      `${id}: path parameters are required`,
    );
    t.ok(operation.responses[route.status], `${id}: its answer`);
    for (const code of route.problems) {
      const content = operation.responses[PROBLEMS[code].status]?.content['application/problem+json'];
      t.ok(content?.examples?.[code], `${id}: ${code}`);
    }
  }
  t.equal(Object.values(document.paths).flatMap((methods) => Object.values(methods)).length, OPERATION_IDS.length);
  let references = 0;
  walk(document, (node) => {
    if (typeof node['$ref'] !== 'string') return;
    references += 1;
    const name = /^#\/components\/schemas\/(\w+)$/.exec(node['$ref'])?.[1] ?? '';
    if (!Object.hasOwn(schemas, name)) t.fail(`${node['$ref']} leads nowhere`);
  });
  t.ok(references > 60, `${references} references resolve`);
  for (const code of [...INSTRUCTION_CODES, ...Object.keys(PROBLEMS), ...RESULT_CODES]) {
    if (!document.info.description.includes(`\`${code}\``)) t.fail(`${code} is not in the guide`);
  }
  for (const kind of Object.keys(PAYLOAD_SCHEMAS)) t.match(guide(), `\`${kind}\``, `the guide names ${kind}`);
  t.end();
});

interface Validator {
  compile(schema: object): ((value: unknown) => boolean) & { errors?: unknown };
}
/** Ajv comes with fastify; it knows JSON Schema by another author than TypeBox. */
async function ajv(): Promise<Validator | null> {
  const name: string = 'ajv/dist/2020.js';
  const loaded = (await import(name).catch(() => null)) as {
    default: { default: new (options: object) => Validator };
  } | null;
  return loaded === null
    ? null
    : new loaded.default.default({
        strict: true,
        strictTypes: false,
        strictRequired: false,
        allErrors: true,
        formats: { 'date-time': true },
      });
}

t.test('every schema compiles, and every example is what its schema says', async (t) => {
  const validator = await ajv();
  if (validator === null) t.comment('SKIPPED: ajv is not installed; schemas are compiled by TypeBox alone');
  // A reference into the document, as one into definitions of the schema's own.
  const standalone = (schema: object): object =>
    JSON.parse(JSON.stringify({ ...schema, $defs: schemas }).replaceAll('#/components/schemas/', '#/$defs/')) as object;
  const check = (name: string, schema: object, example: unknown) => {
    if (validator === null) return;
    const validate = validator.compile(standalone(schema));
    t.ok(validate(example), `${name}: ${JSON.stringify(validate.errors)}`);
  };
  for (const [name, schema] of Object.entries(schemas)) {
    Compile(schema);
    validator?.compile(standalone(schema));
    t.pass(`${name} compiles`);
  }
  check('Payload', schemas['Payload'] as object, EXAMPLE_PAYLOAD);
  check('margin', schemas['Payload'] as object, { ...EXAMPLE_PAYLOAD, ...EXAMPLE_MARGIN });
  check('Jws', schemas['Jws'] as object, EXAMPLE_JWS);
  check('flattened Jws', schemas['Jws'] as object, { payload: EXAMPLE_JWS.payload, ...EXAMPLE_JWS.signatures[0] });
  for (const operation of Object.values(document.paths).flatMap((methods) => Object.values(methods))) {
    for (const [status, { content }] of Object.entries(operation.responses)) {
      for (const { schema, example, examples } of Object.values(content)) {
        if (example !== undefined) check(`${operation.operationId} ${status}`, schema, example);
        for (const [code, { value }] of Object.entries((examples ?? {}) as Record<string, { value: unknown }>))
          check(`${operation.operationId} ${code}`, schema, value);
      }
    }
  }
});

t.test('the example instruction is signed as the guide says', (t) => {
  const parsed = parseInstruction(new TextEncoder().encode(JSON.stringify(EXAMPLE_JWS)));
  if (!parsed.ok) throw new Error(parsed.detail);
  t.strictSame(parsed.instruction.payload, EXAMPLE_PAYLOAD);
  t.equal(parsed.instruction.digest, EXAMPLE_DIGEST);
  for (const [index, { alg, signature, signingInput }] of parsed.instruction.signatures.entries()) {
    const keyAlg = alg === 'ES256' ? 'ES256' : 'Ed25519';
    const key = publicKeyOfSecret(keyAlg, new Uint8Array(32).fill(index + 1));
    t.ok(verifyReference({ alg: keyAlg, key, message: signingInput, signature }), alg);
  }
  t.end();
});

t.test("the guide's program, run as it stands with a stock JOSE library", async (t) => {
  const submitted: Instruction[] = [];
  const service: Partial<NodeService> = {
    statusView: () => ({ network: EXAMPLE_PAYLOAD.network, version: '0.1.0' }) as ReturnType<NodeService['statusView']>,
    submit: async (instruction) => {
      submitted.push(instruction);
      return { accepted: true };
    },
    waitFinal: async () => ({ status: 'final', code: 'settled', height: 1, time: 0 as never }),
  };
  const quiet = () => undefined;
  const metrics = { count: quiet, render: async () => '', contentType: 'text/plain' };
  const server = createServer({
    service: service as NodeService,
    metrics,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    port: 0,
  });
  const url = await server.start();
  t.teardown(() => server.stop());
  // Below the project's folder, so that it finds the library.
  const folder = t.testdir({ 'program.mjs': `${EXAMPLE_PROGRAM}\nexport { submit };\n` });
  const { submit } = (await import(pathToFileURL(join(folder, 'program.mjs')).href)) as {
    submit: (node: string, payload: object, jwks: readonly jose.JWK[]) => Promise<unknown>;
  };

  const jwks = await Promise.all(
    (['ES256', 'Ed25519'] as const).map(async (alg) =>
      jose.exportJWK((await jose.generateKeyPair(alg, { extractable: true })).privateKey),
    ),
  );
  const { kind, mode, initiator, legs } = EXAMPLE_PAYLOAD;
  t.match(await submit(url, { kind, mode, initiator, legs }, jwks), { status: 'final', code: 'settled' });
  const [instruction] = submitted;
  t.match(instruction?.payload, { kind, legs, network: EXAMPLE_PAYLOAD.network });
  t.strictSame(
    instruction?.signatures.map(({ alg }) => alg),
    ['ES256', 'EdDSA'],
  );
  await t.rejects(submit(url, { kind, mode, initiator, legs: [] }, jwks), /malformed_payload: \/legs/);
});
