/** Bugs in consensus and in what is checked of votes, certificates and headers. */
import type { Edit, Mutant } from './mutant.js';

const inCore = (find: string, replace: string): Edit => ({ file: 'protocol/bft/core.ts', find, replace });
const inRound = (find: string, replace: string): Edit => ({ file: 'protocol/bft/round.ts', find, replace });
const inTypes = (find: string, replace: string): Edit => ({ file: 'protocol/types.ts', find, replace });
const inInbox = (find: string, replace: string): Edit => ({ file: 'node/replica/inbox.ts', find, replace });
const inChain = (find: string, replace: string): Edit => ({ file: 'node/replica/chain.ts', find, replace });
const inCertificate = (find: string, replace: string): Edit => ({ file: 'protocol/certificate.ts', find, replace });

export const CONSENSUS_MUTANTS: readonly Mutant[] = [
  {
    name: 'quorum_off_by_one',
    breaks: 'a certificate needs n - f votes, so that two of them share an honest voter',
    edits: [inTypes('number => n - faultsMax(n);', 'number => n - faultsMax(n) - 1;')],
  },
  {
    name: 'faults_max_half',
    breaks: 'fewer than a third of the validators may lie: a majority is no quorum',
    edits: [inTypes('Math.floor((n - 1) / 3)', 'Math.floor((n - 1) / 2)')],
  },
  {
    name: 'finalize_after_nullify',
    breaks: 'who gave up on a view does not vote to finalize it',
    edits: [
      inCore(
        'round.cast.nullify || round.cast.finalize !== null) return;\n  round.cast.finalize =',
        'round.cast.finalize !== null) return;\n  round.cast.finalize =',
      ),
    ],
  },
  {
    name: 'nullify_after_finalize',
    breaks: 'who voted to finalize a view does not give up on it',
    edits: [
      inCore(
        'round.cast.nullify || round.cast.finalize !== null) return;\n  round.cast.nullify =',
        'round.cast.nullify) return;\n  round.cast.nullify =',
      ),
      // A notarized view is over, so it must also be one that timers still run for.
      inCore(
        'timeOut(core, round, now, effects);\n}',
        'timeOut(core, roundOf(core, Math.max(core.final.view + 1, core.view - 1) as View), now, effects);\n}',
      ),
    ],
  },
  {
    name: 'two_notarize_votes_a_view',
    breaks: 'a validator notarizes one block in a view',
    edits: [
      inCore(
        'if (round.proposal === null && leader !== core.config.self) round.proposal = block;',
        "if (round.proposal?.id !== block.id && leader !== core.config.self) {\n    round.proposal = block;\n    round.verdict = 'none';\n  }",
      ),
      inCore(
        "round.verdict !== 'none' || round.cast.notarize !== null || round.cast.nullify) return;",
        "round.verdict !== 'none' || round.cast.nullify) return;",
      ),
      inCore(
        'round.cast.notarize !== null || round.cast.nullify) return;\n  round.cast.notarize = block;',
        'round.cast.nullify) return;\n  round.cast.notarize = block;',
      ),
      {
        file: 'node/replica/replica.ts',
        find: 'const isKept = first === null || first.id === id',
        replace: 'const isKept = true || first === null || first.id === id',
      },
    ],
  },
  {
    name: 'notarize_vote_lost_on_restart',
    breaks: 'a notarize vote is remembered across a restart',
    edits: [
      inCore(
        "if (ballot.kind === 'notarize') round.cast.notarize = ballot.block;",
        "if (ballot.kind === 'notarize') round.cast.notarize = null;",
      ),
    ],
  },
  {
    name: 'nullify_vote_lost_on_restart',
    breaks: 'a nullify vote is remembered across a restart',
    edits: [
      inCore(
        "else if (ballot.kind === 'nullify') round.cast.nullify = true;",
        "else if (ballot.kind === 'nullify') round.cast.nullify = false;",
      ),
    ],
  },
  {
    name: 'vote_log_not_loaded',
    breaks: 'a node starts with the votes it cast before',
    edits: [inCore('for (const vote of restored.votes) {', 'for (const vote of restored.votes.slice(0, 0)) {')],
  },
  {
    name: 'parent_unchecked',
    breaks: 'a proposal builds on the block that was notarized in its stated parent view',
    edits: [inCore('if (parent !== proposal.parent) {', 'if (parent === null) {')],
  },
  {
    name: 'skipped_nullification',
    breaks: 'every view between a proposal and its parent is known to be nullified',
    edits: [
      inCore(
        'if ((core.rounds.get(between as View)?.nullification ?? null) === null) return between as View;',
        'if (core.final.view > view) return between as View;',
      ),
    ],
  },
  {
    name: 'leader_unchecked',
    breaks: "only a view's leader proposes in it",
    edits: [
      inCore('if (!fits || vote.signer !== leader || block.proposer !== leader || !isKept(', 'if (!fits || !isKept('),
      inInbox(
        'if (header.proposer !== leaderOf(header.view, members.size)) {',
        'if (header.proposer >= members.size) {',
      ),
    ],
  },
  {
    name: 'leader_never_changes',
    breaks: 'validators lead in turn',
    edits: [inCore('(view % n) as ValidatorIndex', '(Math.min(view, 0) % n) as ValidatorIndex')],
  },
  {
    name: 'signers_counted_twice',
    breaks: 'each signer of a certificate counts once',
    edits: [inCertificate('if (signer <= before)', 'if (signer < before)')],
  },
  {
    name: 'certificate_short',
    breaks: 'a certificate holds a quorum of signatures',
    edits: [inCertificate('return signatures.length < quorum(size)', 'return signatures.length < quorum(size) - 1')],
  },
  {
    name: 'certificate_signatures_unchecked',
    breaks: 'every signature of a certificate is checked before it counts',
    edits: [
      inInbox(
        'this.#verify(from, certificateChecks(certificate, network, members.set), turn);',
        'this.#verify(from, certificateChecks(certificate, network, members.set).slice(0, 0), turn);',
      ),
    ],
  },
  {
    name: 'vote_signature_unchecked',
    breaks: "a vote counts only with its signer's signature",
    edits: [inInbox('this.#verify(from, [check], turn);', 'this.#verify(from, [], turn);')],
  },
  {
    name: 'rival_votes_counted_together',
    breaks: 'the votes of a certificate are for one ballot',
    edits: [
      inRound(
        '.filter((vote) => sameBallot(vote.ballot, ballot))',
        '.filter((vote) => vote.ballot.view === ballot.view)',
      ),
    ],
  },
  {
    name: 'roots_not_compared',
    breaks: 'the finalize votes of a certificate name one result root',
    edits: [inRound('a.block === b.block && a.root === b.root;', 'a.block === b.block;')],
  },
  {
    name: 'evidence_dropped',
    breaks: 'two votes that contradict each other are noticed',
    hides: 'evidence',
    edits: [
      inCore(
        'if (conflicts !== null && vote.signer !== core.config.self',
        'if (conflicts !== null && vote.signer === core.config.self',
      ),
    ],
  },
  {
    name: 'timeouts_never_grow',
    breaks: 'Δ grows until it covers the real latency',
    edits: [
      {
        file: 'protocol/bft/pacemaker.ts',
        find: 'pacemaker.backoff = Math.max(pacemaker.backoff, Math.min(doublings, doublingsMax(config)));',
        replace: 'pacemaker.backoff = Math.min(0, doublings, doublingsMax(config));',
      },
    ],
  },
  {
    name: 'future_block_time_taken',
    breaks: "a block's time is at most the skew bound ahead of a voter's clock",
    edits: [inChain('const inTime = header.time <= now + this.#deps.skewMs ||', 'const inTime = now > 0 ||')],
  },
  {
    name: 'block_time_stands_still',
    breaks: "a block's time is past its parent's",
    edits: [
      inChain('header.time > parent.time &&', 'header.time >= parent.time &&'),
      inChain(
        'Math.max(this.#deps.clock.now(), header.time + 1) as TimestampMs',
        'Math.max(this.#deps.clock.now(), header.time) as TimestampMs',
      ),
    ],
  },
  {
    name: 'block_bounds_unchecked',
    breaks: 'batches, items and signatures of a block are bounded',
    edits: [
      inChain('return fitsBlock(batches) &&', 'return'),
      { file: 'node/replica/lanes.ts', find: 'if (chosen.length > 1 && !fitsBlock(chosen)) return cut;', replace: '' },
    ],
  },
  {
    name: 'orders_before_issued',
    breaks: 'a block orders nothing that is issued after its time',
    edits: [inChain(' && batches.every(({ dueTimeMs }) => dueTimeMs <= header.time)', '')],
  },
  {
    name: 'voted_without_its_batches',
    breaks: 'who votes for a block holds every batch that it orders',
    edits: [
      inChain(
        'if (lanes === null) return null;\n    const batches',
        'if (lanes === null) return true;\n    const batches',
      ),
    ],
  },
  {
    name: 'catch_up_certificate_unchecked',
    breaks: 'blocks that a peer sends as final are final only by their certificate',
    edits: [
      inInbox(
        "this.#certified(from, certificate, { type: 'final', message });",
        "this.#deps.enqueue({ type: 'final', message });",
      ),
    ],
  },
];
