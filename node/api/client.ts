/**
 * The SDK: a typed method for each route, driven by the same definitions as the server. Runs in a browser as in Node.
 * Nothing is thrown for what a network or a node does: an answer is a value, or a problem with a code.
 */
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Problem, ProblemCode } from './problem.js';
import {
  type AnswerOf,
  fillPath,
  OPERATION_IDS,
  type OperationId,
  type ParamsOf,
  type QueryOf,
  ROUTES,
  type RouteDefinition,
  WAIT_MS_MAX,
} from './routes.js';
import { SCHEMAS } from './schemas.js';

export type ClientResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

type BodyOf<K extends OperationId> = (typeof ROUTES)[K]['body'] extends null ? unknown : { readonly body: object };
/** Path parameters, query members and, where a route takes one, the body: one flat object. */
export type ArgumentsOf<K extends OperationId> = ParamsOf<K> & QueryOf<K> & BodyOf<K>;
/** The same, when the route is known only at run time. */
type Arguments = Readonly<Record<string, string | undefined>> & { readonly body?: object };
type Method<K extends OperationId> =
  object extends ArgumentsOf<K>
    ? (args?: ArgumentsOf<K>, signal?: AbortSignal) => Promise<ClientResult<AnswerOf<K>>>
    : (args: ArgumentsOf<K>, signal?: AbortSignal) => Promise<ClientResult<AnswerOf<K>>>;

export type Client = { readonly [K in OperationId]: Method<K> } & {
  /** Submits, and again with the same bytes while the node cannot be reached or says "not now": repeating has no effect. */
  submit(jws: object): Promise<ClientResult<AnswerOf<'submitInstruction'>>>;
  /** Where an instruction stands once its outcome is final, or after `timeoutMs`, whichever is first. */
  waitFinal(digest: string, timeoutMs: number, signal?: AbortSignal): Promise<ClientResult<AnswerOf<'getInstruction'>>>;
};

export interface ClientOptions {
  readonly fetch?: typeof fetch;
  /** Waits between attempts; replaced in tests. */
  readonly delay?: (ms: number) => Promise<void>;
  /** For a request that does not wait for finality. */
  readonly timeoutMs?: number;
  readonly submitAttempts?: number;
}

const TIMEOUT_MS = 10_000;
const SUBMIT_ATTEMPTS = 5;
const FIRST_DELAY_MS = 200;
/** What the client itself says: nobody answered, or something that is no node did. Its `status` is 0. */
const CLIENT_PROBLEMS = { unreachable: 'No answer', bad_answer: 'Not an answer of a Causeway node' } as const;
const RETRIED: ReadonlySet<string> = new Set<ProblemCode | keyof typeof CLIENT_PROBLEMS>([
  'unreachable',
  'lane_full',
  'not_ready',
  'overloaded',
  'shutting_down',
]);

/** A client of one node. `baseUrl` is its address without a path, as `http://127.0.0.1:8101`. */
export function createClient(baseUrl: string, options: ClientOptions = {}): Client {
  const {
    fetch: send = (input, init) => globalThis.fetch(input, init),
    delay = (ms) => new Promise<void>((resolve) => void setTimeout(resolve, ms)),
    timeoutMs = TIMEOUT_MS,
    submitAttempts = SUBMIT_ATTEMPTS,
  } = options;
  const base = baseUrl.replace(/\/+$/, '');
  const methods = Object.fromEntries(
    OPERATION_IDS.map((id) => [id, (args: Arguments = {}, signal?: AbortSignal) => call(ROUTES[id], args, signal)]),
  ) as unknown as { readonly [K in OperationId]: Method<K> };

  async function call(route: RouteDefinition, args: Arguments, signal?: AbortSignal): Promise<ClientResult<unknown>> {
    const request = requestOf(base, route, args);
    const waitsMs = args['wait'] === undefined ? 0 : Number(args['timeoutMs'] ?? WAIT_MS_MAX);
    // A timer of our own: it keeps the process alive where a fetch of Node 20 never settles (a peer that closes on accept).
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(new Error('no answer in time')), timeoutMs + waitsMs);
    const ends = signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal]);
    let response: Response;
    let text: string;
    try {
      response = await send(request.url, { ...request.init, signal: ends });
      text = await response.text();
    } catch (error) {
      return refuse('unreachable', `${request.url} did not answer: ${reasonOf(error)}.`);
    } finally {
      clearTimeout(timer);
    }
    return readAnswer(route, response, text);
  }

  return {
    ...methods,
    async submit(jws) {
      for (let attempt = 1; ; attempt++) {
        const answer = await methods.submitInstruction({ body: jws });
        if (answer.ok || attempt >= submitAttempts || !RETRIED.has(answer.problem.code)) return answer;
        await delay(FIRST_DELAY_MS * 2 ** (attempt - 1));
      }
    },
    async waitFinal(digest, totalMs, signal) {
      for (let leftMs = totalMs; ; leftMs -= WAIT_MS_MAX) {
        const roundMs = Math.max(0, Math.min(leftMs, WAIT_MS_MAX));
        const answer = await methods.getInstruction({ digest, wait: 'final', timeoutMs: String(roundMs) }, signal);
        if (!answer.ok || answer.value.status === 'final' || leftMs <= WAIT_MS_MAX) return answer;
      }
    },
  };
}

function requestOf(base: string, route: RouteDefinition, args: Arguments): { url: string; init: RequestInit } {
  const params = Object.fromEntries(Object.keys(route.params.properties).map((name) => [name, String(args[name])]));
  const query = new URLSearchParams();
  for (const name of Object.keys(route.query.properties)) if (args[name] !== undefined) query.set(name, args[name]);
  const search = query.toString();
  const url = `${base}${fillPath(route.path, params)}${search === '' ? '' : `?${search}`}`;
  if (route.body === null) return { url, init: { method: route.method } };
  const headers = { 'content-type': 'application/jose+json' };
  return { url, init: { method: route.method, headers, body: JSON.stringify(args['body']) } };
}

/** An answer by its route's schema. What is neither that nor a problem comes from something that is no Causeway node. */
function readAnswer(route: RouteDefinition, response: Response, text: string): ClientResult<unknown> {
  if (response.ok && route.contentType === 'text/plain') return { ok: true, value: text };
  const value = parseJson(text);
  const schema: TSchema = response.ok ? SCHEMAS[route.answer] : SCHEMAS.Problem;
  if (!Value.Check(schema, value)) {
    return refuse(
      'bad_answer',
      `${response.url} answered ${response.status} with what is no answer of a Causeway node.`,
    );
  }
  return response.ok ? { ok: true, value } : { ok: false, problem: value as Problem };
}

function refuse(code: keyof typeof CLIENT_PROBLEMS, detail: string): { ok: false; problem: Problem } {
  return {
    ok: false,
    problem: { type: `urn:causeway:problem:${code}`, title: CLIENT_PROBLEMS[code], status: 0, code, detail },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Node's fetch hides the cause (ECONNREFUSED) one level down. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}
