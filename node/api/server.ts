/**
 * The routes on fastify. Every error that leaves is problem+json, those included that fastify, Node's parser or a
 * malformed URL would have answered in a form of their own.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { INSTRUCTION_JSON_BYTES_MAX } from '../../protocol/limits.js';
import type { Log, Metrics, NodeService } from '../ports.js';
import { type ApiRequest, type ApiResult, createHandlers, type Handlers } from './handlers.js';
import { buildOpenApi } from './openapi.js';
import { PROBLEM_CONTENT_TYPE, type Problem, type ProblemCode, problem } from './problem.js';
import { OPERATION_IDS, type OperationId, ROUTES, type RouteDefinition, WAIT_MS_MAX } from './routes.js';

const HEADER_BYTES_MAX = 16 * 1024;
const PARAMETER_LENGTH_MAX = 128;
/** A request's headers, and then the whole of it, must have come within these. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_TIMEOUT_MS = 30_000;
/** Silence on a socket: longer than the longest wait for finality, which is silent. */
const CONNECTION_TIMEOUT_MS = 2 * WAIT_MS_MAX;
const CLOSE_GRACE_MS = 5_000;

/** No answer is to be kept, sniffed, framed or read by another site's page. */
const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
} as const;

export interface ServerOptions {
  readonly service: NodeService;
  readonly metrics: Pick<Metrics, 'count'> & { render(): Promise<string>; readonly contentType: string };
  readonly log: Log;
  /** Loopback by default: who opens it wider says so. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly waitersMax?: number;
  /** How long requests under way may take once `stop` is called. */
  readonly closeGraceMs?: number;
}

export interface Server {
  /** Listens, and gives the URL. Throws a `ListenError` when it cannot. */
  start(): Promise<string>;
  /** Answers whoever waits for finality, lets other requests end, and closes. */
  stop(): Promise<void>;
}

/** The address could not be had; `message` says what the operator should do. */
export class ListenError extends Error {
  readonly code: 'address_in_use' | 'address_unavailable' | 'listen_failed';
  constructor(code: ListenError['code'], message: string) {
    super(message);
    this.name = 'ListenError';
    this.code = code;
  }
}

/** The HTTP server of a node. */
export function createServer(options: ServerOptions): Server {
  const { service, metrics, log, host = '127.0.0.1', port, waitersMax, closeGraceMs = CLOSE_GRACE_MS } = options;
  const document = buildOpenApi(service.statusView().version);
  const handlers = createHandlers({ service, metrics, document, ...(waitersMax === undefined ? {} : { waitersMax }) });
  const context: Context = {
    handlers,
    log,
    metricsContentType: metrics.contentType,
    closing: false,
    pending: new Set(),
    onSocket: new WeakMap(),
  };
  const app = createApp(context);

  return {
    async start() {
      try {
        await app.listen({ host, port });
      } catch (error) {
        throw listenError(error, host, port);
      }
      return app.listeningOrigin;
    },
    async stop() {
      context.closing = true;
      for (const controller of context.pending) controller.abort();
      const force = setTimeout(() => app.server.closeAllConnections(), closeGraceMs);
      await app.close();
      clearTimeout(force);
    },
  };
}

interface Context {
  readonly handlers: Handlers;
  readonly log: Log;
  readonly metricsContentType: string;
  closing: boolean;
  /** One for each request under way. */
  readonly pending: Set<AbortController>;
  /** Requests under way on a socket: pipelining puts several there. */
  readonly onSocket: WeakMap<Socket, Set<IncomingMessage>>;
}

function createApp(context: Context): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: INSTRUCTION_JSON_BYTES_MAX,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    // Its answer would not be a problem; the hook below gives one.
    return503OnClosing: false,
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX, caseSensitive: true },
    // A node says what is wrong with a request; it does not guess at what was meant.
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        verbose: true,
      },
    },
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
      // Node's own answer to a missing Host has no body; the hook below gives one.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => answerClientError(context, error, socket),
    frameworkErrors: (error, request, reply) => {
      sendProblem(reply, problemOf(context, error, request));
    },
  });
  app.server.on('checkExpectation', (_: IncomingMessage, response: ServerResponse) => {
    answerRaw(response, problem('expectation_failed', 'The header Expect may only be 100-continue.'));
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/json', 'application/jose+json'],
    { parseAs: 'buffer' },
    (_request, body, done) => {
      done(null, body);
    },
  );
  app.addHook('onRequest', async (request, reply) => admit(context, request, reply));
  app.addHook('onResponse', async (request, reply) => {
    const fields = {
      method: request.method,
      url: request.url,
      status: reply.statusCode,
      elapsedMs: Math.round(reply.elapsedTime),
    };
    context.log.debug(fields, 'http request');
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(reply, problemOf(context, error, request)));
  app.setNotFoundHandler((request, reply) => answerUnrouted(request, reply));
  for (const id of OPERATION_IDS) addRoute(app, context, id);
  return app;
}

function addRoute(app: FastifyInstance, context: Context, id: OperationId): void {
  const route: RouteDefinition = ROUTES[id];
  const handler = context.handlers[id] as (request: ApiRequest<OperationId>) => Promise<ApiResult<unknown>>;
  app.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/g, ':$1'),
    schema: { params: route.params, querystring: route.query },
    handler: async (request, reply) => {
      const controller = new AbortController();
      context.pending.add(controller);
      // Closed before the answer was written: nobody waits for it.
      reply.raw.once('close', () => controller.abort());
      try {
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
        const input = { params: request.params, query: request.query, body, signal: controller.signal };
        const result = await handler(input as ApiRequest<OperationId>);
        return await send(reply, route, result, context.metricsContentType);
      } finally {
        context.pending.delete(controller);
      }
    },
  });
}

function send(
  reply: FastifyReply,
  route: RouteDefinition,
  result: ApiResult<unknown>,
  metricsContentType: string,
): FastifyReply {
  if (!result.ok) return sendProblem(reply, result.problem, result.retryAfterMs);
  if (result.location !== undefined) reply.header('location', result.location);
  reply.code(route.status);
  if (route.contentType === 'text/plain') return reply.type(metricsContentType).send(result.value);
  return reply.type('application/json').send(JSON.stringify(result.value));
}

function sendProblem(reply: FastifyReply, body: Problem, retryAfterMs = 0): FastifyReply {
  // `frameworkErrors` comes before any hook has run, so the headers are set here too.
  reply.headers(SECURITY_HEADERS).code(body.status).type(PROBLEM_CONTENT_TYPE);
  if (body.status === 503) reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  return reply.send(JSON.stringify(body));
}

/** What every request must pass before it is routed to a handler. */
function admit(context: Context, request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  const { raw } = request;
  const open = context.onSocket.get(raw.socket) ?? new Set();
  context.onSocket.set(raw.socket, open.add(raw));
  reply.raw.once('close', () => open.delete(raw));
  reply.headers(SECURITY_HEADERS);
  if (context.closing) {
    reply.header('connection', 'close');
    return sendProblem(reply, problem('shutting_down', 'This node is stopping; ask another, or again in a while.'));
  }
  if (raw.httpVersion === '1.1' && raw.headers.host === undefined) {
    return sendProblem(
      reply,
      problem('malformed_request', 'An HTTP/1.1 request needs a Host header (RFC 9112, section 3.2).'),
    );
  }
  const encoding = raw.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return sendProblem(
      reply,
      problem('unsupported_media_type', 'A body is taken only as it is, without Content-Encoding.'),
    );
  }
  return undefined;
}

/** What matched no route: an OPTIONS, a known path with another method, or an unknown path. */
function answerUnrouted(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] as string;
  const methods = methodsOf(path);
  if (methods.length === 0)
    return sendProblem(reply, problem('not_found', 'There is no such path; /openapi.json lists those there are.'));
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  reply.header('allow', allow);
  if (request.method === 'OPTIONS') return reply.code(204).send();
  return sendProblem(
    reply,
    problem('method_not_allowed', `${request.method} is not a method of this path; it has ${allow}.`),
  );
}

function methodsOf(path: string): string[] {
  const segments = path.split('/');
  const matches = (template: string) => {
    const parts = template.split('/');
    return parts.length === segments.length && parts.every((part, at) => part === segments[at] || part.startsWith('{'));
  };
  return OPERATION_IDS.map((id) => ROUTES[id])
    .filter((route) => matches(route.path))
    .map((route) => route.method);
}

/** Fastify's own refusals, and whatever a handler threw: that is a bug or the node's environment, and its text stays here. */
function problemOf(context: Context, error: FastifyError, request: FastifyRequest): Problem {
  if (error.validation !== undefined) return problem('invalid_parameter', invalidParameter(error));
  const known = FASTIFY_PROBLEMS[error.code];
  if (known !== undefined) return problem(...known);
  const { statusCode } = error;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return problem('malformed_request', 'The request is malformed or came to an early end.');
  }
  context.log.error(
    { error, method: request.method, url: request.url, request: request.id },
    'a request failed inside the node',
  );
  return problem('internal', "The node failed to answer; its log holds the cause under this problem's instance.", {
    instance: `urn:causeway:request:${request.id}`,
  });
}

const FASTIFY_PROBLEMS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_BAD_URL: [
    'malformed_url',
    'The path has a percent sign that begins no UTF-8 character (RFC 3986, section 2.1).',
  ],
  FST_ERR_MAX_PARAM_LENGTH: ['url_too_long', `A segment of the path has more than ${PARAMETER_LENGTH_MAX} characters.`],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', `A body has at most ${INSTRUCTION_JSON_BYTES_MAX} bytes.`],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_media_type',
    'The Content-Type must be application/jose+json or application/json.',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['malformed_request', 'The body has not the length that Content-Length says.'],
};

function invalidParameter({ validation, validationContext }: FastifyError): string {
  const [first] = validation ?? [];
  const place = validationContext === 'querystring' ? 'query member' : 'path parameter';
  const unknown = first?.params['additionalProperty'];
  if (typeof unknown === 'string') return `This path knows no ${place} \`${unknown.slice(0, 64)}\`.`;
  const name = first?.instancePath.split('/')[1] ?? '';
  // Ajv's `verbose` puts the schema of what failed on the error.
  const { parentSchema } = (first ?? {}) as { parentSchema?: { description?: string } };
  return `The ${place} \`${name}\` must be ${parentSchema?.description ?? 'of another form'}, and there but once.`;
}

/** What Node's HTTP parser refuses before there is a request. */
function answerClientError(context: Context, error: NodeJS.ErrnoException, socket: Socket): void {
  const open = [...(context.onSocket.get(socket) ?? [])];
  // A whole request waits for its answer on this socket: another answer would be taken for that one.
  if (error.code === 'ECONNRESET' || !socket.writable || open.some((message) => message.complete)) {
    socket.destroy();
    return;
  }
  const body = clientProblem(error.code);
  const text = JSON.stringify(body);
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': PROBLEM_CONTENT_TYPE,
    'content-length': String(text.length),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}\r\n${lines.join('')}\r\n${text}`);
}

function clientProblem(code: string | undefined): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return problem('headers_too_large', `The request line and headers have at most ${HEADER_BYTES_MAX} bytes.`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problem(
        'request_timeout',
        `The whole request must come within ${REQUEST_TIMEOUT_MS / 1000} s, its headers within ${HEADERS_TIMEOUT_MS / 1000} s.`,
      );
    default:
      return problem('malformed_request', 'This is not HTTP/1.1 (RFC 9112).');
  }
}

function answerRaw(response: ServerResponse, body: Problem): void {
  response.writeHead(body.status, { ...SECURITY_HEADERS, 'content-type': PROBLEM_CONTENT_TYPE, connection: 'close' });
  response.end(JSON.stringify(body));
}

function listenError(error: unknown, host: string, port: number): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new ListenError(
      'address_in_use',
      `Port ${port} of ${host} is taken by another process: stop that one, or set [http] port to another.`,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new ListenError(
      'address_unavailable',
      `${host} is no address of this machine: set [http] host to one that is, as 127.0.0.1.`,
    );
  if (code === 'EACCES')
    return new ListenError(
      'listen_failed',
      `This user may not listen on port ${port}: set [http] port to one above 1023.`,
    );
  return new ListenError('listen_failed', `Cannot listen on ${host}:${port}: ${message}`);
}
