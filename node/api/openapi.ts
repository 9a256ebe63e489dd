/** The OpenAPI 3.1 document, made from the routes: it cannot say other than what the server does. */
import { PAYLOAD_SCHEMAS } from '../../protocol/payload.js';
import { EXAMPLE_DIGEST, EXAMPLE_JWS, EXAMPLE_PAYLOAD } from './example.js';
import { guide } from './guide.js';
import { PROBLEM_CONTENT_TYPE, PROBLEMS, type ProblemCode, problem } from './problem.js';
import { OPERATION_IDS, type OperationId, ROUTES, type RouteDefinition } from './routes.js';
import { SCHEMAS } from './schemas.js';

/** Codes with which any route may answer. */
const TRANSPORT_PROBLEMS = ['malformed_request', 'overloaded', 'internal'] as const satisfies readonly ProblemCode[];
const BODY_PROBLEMS = [
  'body_too_large',
  'unsupported_media_type',
  'request_timeout',
] as const satisfies readonly ProblemCode[];

const reference = (name: string): object => ({ $ref: `#/components/schemas/${name}` });

/** The document for a node of this version. Its schemas are JSON Schema 2020-12, as OpenAPI 3.1 has them. */
export function buildOpenApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const id of OPERATION_IDS) {
    const route = ROUTES[id];
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(id, route) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Causeway node',
      version,
      summary:
        'Payments in several central bank currencies, payment versus payment, with finality that anyone can check.',
      description: guide(),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [],
    paths,
    components: { schemas: componentSchemas() },
  };
}

function operation(operationId: OperationId, route: RouteDefinition): object {
  return {
    operationId,
    summary: route.summary,
    description: route.description,
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body === null ? {} : { requestBody: requestBody(route.body) }),
    responses: {
      [route.status]: {
        description: route.summary,
        ...(route.status === 202
          ? { headers: { Location: { description: 'where its outcome is read', schema: { type: 'string' } } } }
          : {}),
        content: { [route.contentType]: { schema: reference(route.answer), ...exampleOf(operationId) } },
      },
      ...problemResponses(route),
    },
  };
}

function parameters(members: RouteDefinition['params'], place: 'path' | 'query'): object[] {
  const required: readonly string[] = members.required ?? [];
  return Object.entries(members.properties as Record<string, { description?: string }>).map(([name, schema]) => ({
    name,
    in: place,
    required: required.includes(name),
    description: schema.description,
    schema,
    ...(name === 'digest' ? { example: EXAMPLE_DIGEST } : {}),
  }));
}

function requestBody(schema: string): object {
  const content = { schema: reference(schema), example: EXAMPLE_JWS };
  return { required: true, content: { 'application/jose+json': content, 'application/json': content } };
}

/** One response for each status, naming the codes that come with it. */
function problemResponses(route: RouteDefinition): object {
  const takesInput = Object.keys(route.params.properties).length + Object.keys(route.query.properties).length > 0;
  const codes: ProblemCode[] = [...route.problems, ...TRANSPORT_PROBLEMS];
  if (takesInput) codes.push('invalid_parameter', 'malformed_url');
  if (route.body !== null) codes.push(...BODY_PROBLEMS);
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes))
    byStatus.set(PROBLEMS[code].status, [...(byStatus.get(PROBLEMS[code].status) ?? []), code]);
  const responses = [...byStatus].map(([status, listed]): [number, object] => [
    status,
    {
      description: listed.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join('\n'),
      content: {
        [PROBLEM_CONTENT_TYPE]: {
          schema: reference('Problem'),
          examples: Object.fromEntries(listed.map((code) => [code, { value: problem(code, PROBLEMS[code].title) }])),
        },
      },
    },
  ]);
  return Object.fromEntries(responses);
}

function componentSchemas(): Record<string, object> {
  const payloads = Object.entries(PAYLOAD_SCHEMAS).map(([kind, schema]) => [payloadName(kind), schema] as const);
  return {
    ...SCHEMAS,
    ...Object.fromEntries(payloads),
    Payload: {
      description: 'What is signed, before it is base64url: the canonical JSON of one of these.',
      oneOf: payloads.map(([name]) => reference(name)),
      examples: [EXAMPLE_PAYLOAD],
    },
  };
}

const payloadName = (kind: string): string => `${kind.charAt(0).toUpperCase()}${kind.slice(1)}Payload`;

function exampleOf(id: OperationId): object {
  const examples: { readonly [K in OperationId]?: object } = {
    submitInstruction: {
      id: EXAMPLE_PAYLOAD.id,
      initiator: EXAMPLE_PAYLOAD.initiator,
      digest: EXAMPLE_DIGEST,
      status: 'pending',
    },
    getInstruction: {
      digest: EXAMPLE_DIGEST,
      status: 'final',
      code: 'settled',
      height: 42,
      time: '2026-01-05T09:30:00.250Z',
      missing: [],
      lock: null,
    },
    getBalances: {
      party: EXAMPLE_PAYLOAD.initiator,
      height: 42,
      balances: [{ asset: 'HKD', balance: '1250000.00', held: '250000.00', available: '1000000.00' }],
    },
  };
  return examples[id] === undefined ? {} : { example: examples[id] };
}
