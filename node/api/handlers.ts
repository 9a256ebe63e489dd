/**
 * From what a route was asked to what it answers: no sockets, no framework, so the simulator's nodes answer by the same
 * code. Input has passed the route's schemas.
 */
import { parseInstruction } from '../../protocol/instruction.js';
import { AMOUNT_MINOR_MAX } from '../../protocol/limits.js';
import { type InstructionDigest, unreachable } from '../../protocol/types.js';
import { formatAmount, formatTime } from '../../protocol/values.js';
import type {
  InstructionStatus,
  LockView,
  Metrics,
  NodeService,
  ProposalView,
  QueuedView,
  TermsView,
  WhatIfResult,
} from '../ports.js';
import { type Problem, type ProblemCode, problem } from './problem.js';
import { type AnswerOf, type OperationId, type ParamsOf, type QueryOf, WAIT_MS_MAX } from './routes.js';

/** Requests that may wait for finality at once. */
const WAITERS_MAX = 10_000;

export interface ApiRequest<K extends OperationId> {
  readonly params: ParamsOf<K>;
  readonly query: QueryOf<K>;
  /** As it came, not yet parsed; empty when there was none. */
  readonly body: Uint8Array;
  /** Fires when nobody waits for the answer any longer, or the server is about to stop. */
  readonly signal: AbortSignal;
}

export type ApiResult<T> =
  | { readonly ok: true; readonly value: T; readonly location?: string }
  /** `retryAfterMs` of what is answered later; a second if it is not given. */
  | { readonly ok: false; readonly problem: Problem; readonly retryAfterMs?: number };

export type Handlers = {
  readonly [K in OperationId]: (request: ApiRequest<K>) => Promise<ApiResult<AnswerOf<K>>>;
};

export interface HandlerOptions {
  readonly service: NodeService;
  readonly metrics: Pick<Metrics, 'count'> & { render(): Promise<string> };
  /** The OpenAPI document, served as it is. */
  readonly document: object;
  readonly waitersMax?: number;
}

/** One handler for each route. */
export function createHandlers({ service, metrics, document, waitersMax = WAITERS_MAX }: HandlerOptions): Handlers {
  let waiters = 0;

  return {
    async submitInstruction({ body }) {
      if (body.length === 0)
        return refuse('malformed_json', 'The body is empty; it must be a JWS in JSON serialization.');
      const parsed = parseInstruction(body);
      if (!parsed.ok) {
        // The replica counts what it refuses itself; this one it never sees.
        metrics.count('instructions_refused');
        return refuse(
          parsed.code,
          `${parsed.pointer === '' ? 'As a whole' : parsed.pointer}: ${parsed.detail}.`,
          parsed.pointer,
        );
      }
      const { digest, payload } = parsed.instruction;
      const answer = await service.submit(parsed.instruction);
      if (!answer.accepted) return refuse(answer.code, answer.detail);
      const { id, initiator } = payload;
      return { ok: true, value: { id, initiator, digest, status: 'pending' }, location: `/v1/instructions/${digest}` };
    },

    async getInstruction({ params, query, signal }) {
      const digest = params.digest as InstructionDigest;
      if (query.wait === undefined) {
        if (query.timeoutMs !== undefined) {
          return refuse('invalid_parameter', 'The query member `timeoutMs` needs `wait=final` beside it.');
        }
        return statusAnswer(digest, await service.status(digest));
      }
      if (waiters >= waitersMax) {
        return refuse(
          'overloaded',
          `${waitersMax} requests wait for finality at this node already; ask again without wait.`,
        );
      }
      waiters += 1;
      try {
        const timeoutMs = query.timeoutMs === undefined ? WAIT_MS_MAX : Number(query.timeoutMs);
        return statusAnswer(digest, await service.waitFinal(digest, timeoutMs, signal));
      } finally {
        waiters -= 1;
      }
    },

    async getReceipt({ params }) {
      const digest = params.digest as InstructionDigest;
      const value = await service.receipt(digest);
      if (value !== null) return { ok: true, value };
      const status = await service.status(digest);
      if (status.status === 'unknown') return unknownInstruction(digest);
      if (status.status === 'pruned') return pruned(digest, status.height);
      return refuse('receipt_not_ready', `No final block holds an outcome of instruction ${digest} yet.`);
    },

    async getBalances({ params }) {
      const found = service.balances(params.bic);
      if (found === null) return refuse('unknown_party', `No party ${params.bic} is on the ledger.`);
      return { ok: true, value: { party: params.bic, ...found } };
    },
    ...settlementHandlers(service),
    ...liquidityHandlers(service),
    getAssets: async () => ({ ok: true, value: service.assets() }),
    getParticipants: async () => ({ ok: true, value: service.participants() }),
    getValidators: async () => ({ ok: true, value: service.validators() }),

    async getBlock({ params }) {
      const block = await service.block(Number(params.height));
      if (block === null) {
        const { height } = service.statusView();
        return refuse('unknown_block', `This node has no final block ${params.height}; its last is ${height}.`);
      }
      return { ok: true, value: { ...block, time: formatTime(block.time) } };
    },

    async getStatus() {
      const view = service.statusView();
      return { ok: true, value: { ...view, time: formatTime(view.time), now: formatTime(view.now) } };
    },
    getHealth: async () => ({ ok: true, value: { status: 'ok' } }),
    async getReady() {
      const { ready, halted, height } = service.statusView();
      if (ready) return { ok: true, value: { status: 'ready', height } };
      if (halted === null) return refuse('not_ready', 'The node is catching up, or sees too few validators.');
      return refuse('not_ready', `The node has halted: ${halted}.`);
    },
    getMetrics: async () => ({ ok: true, value: await metrics.render() }),
    getOpenApi: async () => ({ ok: true, value: document }),
  };
}

function refuse(code: ProblemCode, detail: string, pointer?: string): { ok: false; problem: Problem } {
  return { ok: false, problem: problem(code, detail, pointer === undefined ? {} : { pointer }) };
}

/** What waits to be settled, and when it may. */
const settlementHandlers = (service: NodeService): Pick<Handlers, 'getQueue' | 'getProposals' | 'getCalendar'> => ({
  async getQueue({ params, query }) {
    const found = service.queue(params.bic, query.after);
    if (found === null) return refuse('unknown_party', `No party ${params.bic} is on the ledger.`);
    const { height, entries, next } = found;
    return { ok: true, value: { party: params.bic, height, entries: entries.map(queuedAnswer), next } };
  },
  async getProposals({ params, query }) {
    const found = service.proposals(params.bic, query.after);
    if (found === null) return refuse('unknown_party', `No party ${params.bic} is on the ledger.`);
    const entries = found.entries.map(proposalAnswer);
    return { ok: true, value: { party: params.bic, height: found.height, entries, next: found.next } };
  },
  async getCalendar({ params }) {
    const found = service.calendar(params.asset);
    if (found === null) return refuse('unknown_asset', `No asset ${params.asset} is on the ledger.`);
    const { height, zone, days } = found;
    const told = days.map(({ date, openMs, closeMs }) => ({
      date,
      open: formatTime(openMs),
      close: formatTime(closeMs),
    }));
    return { ok: true, value: { asset: params.asset, height, zone, days: told } };
  },
});

/** What a party's accounts come to. */
const liquidityHandlers = (service: NodeService): Pick<Handlers, 'getPositions' | 'getTotals' | 'getWhatIf'> => ({
  async getPositions({ params }) {
    const found = service.positions(params.bic);
    if (found === null) return refuse('unknown_party', `No party ${params.bic} is on the ledger.`);
    return { ok: true, value: { party: params.bic, ...found, time: formatTime(found.time) } };
  },
  async getTotals({ params }) {
    const found = service.totals(params.bic);
    if (found === null) return refuse('unknown_party', `No party ${params.bic} is on the ledger.`);
    return { ok: true, value: { party: params.bic, ...found, time: formatTime(found.time) } };
  },
  async getWhatIf({ params, query }) {
    const found = await service.whatIf(params.bic, query.asset, query.amount);
    if (found.ok) return { ok: true, value: { ...found.value, time: formatTime(found.value.time) } };
    return whatIfRefusal(found, params.bic, query.asset);
  },
});

function whatIfRefusal(
  refused: Extract<WhatIfResult, { ok: false }>,
  party: string,
  asset: string,
): Extract<ApiResult<never>, { ok: false }> {
  switch (refused.code) {
    case 'unknown_party':
      return refuse(refused.code, `No party ${party} is on the ledger.`);
    case 'unknown_asset':
      return refuse(refused.code, `No asset ${asset} is on the ledger.`);
    case 'bad_amount':
      return refuse(
        'invalid_parameter',
        `The query member \`amount\` must be above zero and at most ${formatAmount(AMOUNT_MINOR_MAX, refused.decimals)}, with ${refused.decimals} decimals at most.`,
      );
    case 'what_if_busy':
      return {
        ...refuse(
          refused.code,
          'This node answers one what-if at a time, and the fewer the longer the queue; ask again.',
        ),
        retryAfterMs: refused.retryAfterMs,
      };
    default:
      return unreachable(refused);
  }
}

const queuedAnswer = ({ linked, ...one }: QueuedView): AnswerOf<'getQueue'>['entries'][number] => ({
  ...one,
  ...termsAnswer(one),
  linked: linked.map(partAnswer),
});

const lockAnswer = ({ hash, lockUntil, leaving }: LockView) => ({ hash, lockUntil: formatTime(lockUntil), leaving });

const proposalAnswer = ({
  linked,
  terms,
  lock,
  ...one
}: ProposalView): AnswerOf<'getProposals'>['entries'][number] => ({
  ...one,
  consentUntil: formatTime(one.consentUntil),
  terms: terms === null ? null : termsAnswer(terms),
  lock: lock === null ? null : lockAnswer(lock),
  linked: linked.map(partAnswer),
});

const termsAnswer = ({ notBefore, cancelUntil, cutoff, settleBy }: TermsView) => ({
  notBefore: formatTime(notBefore),
  cancelUntil: formatTime(cancelUntil),
  cutoff: formatTime(cutoff),
  settleBy: formatTime(settleBy),
});

const partAnswer = ({ legs, notBefore, settleBy }: QueuedView['linked'][number]) => ({
  legs,
  notBefore: formatTime(notBefore),
  settleBy: formatTime(settleBy),
});

const unknownInstruction = (digest: string): { ok: false; problem: Problem } =>
  refuse(
    'unknown_instruction',
    `This node knows no instruction ${digest}. A signed payload that is not yet ordered may still take effect until its expires, if another node holds it; how one ended may be forgotten here after twice the days of this node's retention.`,
  );

const pruned = (digest: string, height: number): { ok: false; problem: Problem } =>
  refuse(
    'pruned',
    `The outcome of instruction ${digest}, if it had one, is in a block up to ${height}, which this node does not keep. A receipt taken before holds as ever; a node that keeps more history has it still.`,
  );

function statusAnswer(digest: string, found: InstructionStatus): ApiResult<AnswerOf<'getInstruction'>> {
  switch (found.status) {
    case 'unknown':
      return unknownInstruction(digest);
    case 'pruned':
      return pruned(digest, found.height);
    case 'pending': {
      const { status, code, height, time, missing } = found;
      const lock = found.lock === null ? null : lockAnswer(found.lock);
      return {
        ok: true,
        value: { digest, status, code, height, time: time === null ? null : formatTime(time), missing, lock },
      };
    }
    case 'final': {
      const { status, code, height, time } = found;
      return { ok: true, value: { digest, status, code, height, time: formatTime(time), missing: [], lock: null } };
    }
    default:
      return unreachable(found);
  }
}
