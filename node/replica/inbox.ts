/**
 * Frames to verified turns. What is known already is dropped before it costs a signature check, what breaks the protocol
 * is punished, and a peer has a bounded number of checks under way.
 */
import { areSameVote, type Core, leaderOf } from '../../protocol/bft/core.js';
import { blockId, decodeBatch } from '../../protocol/block.js';
import { certificateChecks, judgeSigners } from '../../protocol/certificate.js';
import { fromHex } from '../../protocol/codec.js';
import {
  decodeMessage,
  type Framed,
  type Message,
  type Statement,
  statementCheck,
  voteCheck,
} from '../../protocol/envelope.js';
import { VIEWS_AHEAD_MAX } from '../../protocol/limits.js';
import { type Certificate, type NetworkId, type PeerKey, unreachable, type Vote } from '../../protocol/types.js';
import type { KeyLookup, Ports, SignatureCheck } from '../ports.js';
import type { Admission } from './admission.js';
import { Budget } from './budget.js';
import type { Chain } from './chain.js';
import { laneItems, learnFacts } from './facts.js';
import { heldBatch, type Lanes } from './lanes.js';
import type { Members } from './members.js';
import type { Opening } from './opening.js';
import type { Turn, UpkeepPort } from './turn.js';

/** Messages of one peer whose signatures are being checked. */
const CHECKS_UNDER_WAY_MAX = 512;
/** What reading an item counts for beside its bytes. */
const ITEM_BYTES = 1024;
/** Frames of one peer whose instructions are on their way into this node's lane. */
const SUBMITS_UNDER_WAY_MAX = 8;

interface Deps extends Pick<Ports, 'bus' | 'verifier' | 'clock' | 'metrics'> {
  readonly network: NetworkId;
  readonly members: Members;
  readonly core: Core;
  readonly chain: Chain;
  readonly lanes: Lanes;
  readonly keyOf: KeyLookup;
  readonly admission: Pick<Admission, 'submit' | 'isIssued'>;
  /** How this epoch was opened; null in the first. */
  readonly opening: Opening | null;
  readonly upkeep: Pick<UpkeepPort, 'receive' | 'takeBatch'>;
  readonly enqueue: (turn: Turn) => void;
}

/**
 * Whose messages of a type are taken: any registered node's, since what it brings is judged by its own content, and who
 * leaves the set still brings others up to date; or those of the validators of this epoch among themselves.
 */
const TAKEN_FROM: Readonly<Record<Message['type'], 'anyone' | 'same epoch'>> = {
  submit: 'anyone',
  wantBatches: 'anyone',
  wantFinal: 'anyone',
  wantHandOver: 'anyone',
  follow: 'anyone',
  wantSnapshot: 'anyone',
  wantChunk: 'anyone',
  snapshot: 'anyone',
  chunk: 'anyone',
  gone: 'anyone',
  held: 'anyone',
  final: 'anyone',
  batch: 'anyone',
  taken: 'anyone',
  handOver: 'anyone',
  proposal: 'same epoch',
  vote: 'same epoch',
  certificate: 'same epoch',
  wantCertificates: 'same epoch',
  wantBlock: 'same epoch',
  statement: 'same epoch',
};

export class Inbox {
  readonly #deps: Deps;
  readonly #checks = new UnderWay(CHECKS_UNDER_WAY_MAX);
  readonly #submits = new UnderWay(SUBMITS_UNDER_WAY_MAX);
  readonly #submitted: Budget;
  /** Batches whose author's signature is being checked. */
  readonly #batches = new Set<string>();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#submitted = new Budget(deps.clock);
  }

  receive(from: PeerKey, frame: Uint8Array): void {
    const message = decodeMessage(frame);
    if (message === null) {
      this.#deps.bus.punish(from, 'a frame that is no message');
      return;
    }
    const isValidator = this.#deps.members.placeOf(from) !== null;
    const isOfEpoch = message.epoch === this.#deps.members.set.epoch;
    const taken = TAKEN_FROM[message.type];
    // Who is behind or ahead by an epoch is no liar: it catches up, or is caught up with, by final blocks.
    if (taken !== 'anyone' && (!isValidator || !isOfEpoch)) return;
    this.#take(from, message, isOfEpoch);
  }

  #take(from: PeerKey, message: Framed, isOfEpoch: boolean): void {
    const { enqueue } = this.#deps;
    switch (message.type) {
      case 'vote':
        this.#vote(from, message.vote, { type: 'consensus', input: { type: 'vote', vote: message.vote } });
        break;
      case 'proposal':
        this.#proposal(from, message);
        break;
      case 'certificate':
        this.#certificate(from, message.certificate, { type: 'consensus', input: message });
        break;
      case 'final':
        this.#final(from, message);
        break;
      case 'batch':
        if (!this.#deps.upkeep.takeBatch(from, message)) this.#batch(from, message);
        break;
      case 'statement':
        this.#statement(from, message.statement);
        break;
      case 'submit':
        this.#submit(from, message.items);
        break;
      case 'taken':
        enqueue({ type: 'taken', from, digests: message.digests });
        break;
      case 'held':
        // Of another epoch's lanes it says nothing here, but how far its sender is.
        enqueue({ type: 'asking', from, message: isOfEpoch ? message : { ...message, lanes: [] } });
        break;
      case 'wantBatches':
        if (isOfEpoch && message.lane >= this.#deps.members.size)
          this.#deps.bus.punish(from, 'a request for a lane that there is not');
        else enqueue({ type: 'asking', from, message });
        break;
      case 'wantCertificates':
      case 'wantBlock':
      case 'wantFinal':
      case 'wantHandOver':
      case 'follow':
        enqueue({ type: 'asking', from, message });
        break;
      case 'handOver':
      case 'wantSnapshot':
      case 'wantChunk':
      case 'snapshot':
      case 'chunk':
      case 'gone':
        this.#deps.upkeep.receive(from, message);
        break;
      default:
        unreachable(message);
    }
  }

  #statement(from: PeerKey, statement: Statement): void {
    const { opening, network, members } = this.#deps;
    if (opening === null || opening.isComplete || !opening.isNew(statement)) return;
    const check = statementCheck(network, members.set, statement);
    if (check === null) this.#deps.bus.punish(from, 'a statement of no validator');
    else this.#verify(from, [check], { type: 'statement', statement });
  }

  /** Instructions of a node without a lane: judged one by one as at the door, and answered once they are durable here. */
  #submit(from: PeerKey, items: readonly Uint8Array[]): void {
    const { admission, members, enqueue } = this.#deps;
    if (members.self === null || !this.#submitted.mayAsk(from) || !this.#submits.begin(from)) return;
    this.#submitted.spend(
      from,
      items.reduce((sum, item) => sum + item.length + ITEM_BYTES, 0),
    );
    const instructions = laneItems(items).flatMap((item) => (item === null ? [] : [item.instruction]));
    // What is issued a little later waits, and keeps nothing else waiting.
    const issued = instructions.filter((instruction) => admission.isIssued(instruction));
    const among = new Set(issued);
    const groups = [issued, instructions.filter((instruction) => !among.has(instruction))].map(async (group) => {
      const verdicts = await Promise.all(group.map((instruction) => admission.submit(instruction, true)));
      const digests = group.filter((_, i) => verdicts[i]?.accepted).map(({ digest }) => digest);
      if (digests.length > 0) enqueue({ type: 'submitted', from, digests });
    });
    void groups[0]?.then(() => this.#submits.end(from));
  }

  #proposal(from: PeerKey, message: Extract<Message, { type: 'proposal' }>): void {
    const { header, id, vote } = message.proposal;
    const { network, members, chain } = this.#deps;
    const fits = vote.ballot.kind === 'notarize' && vote.ballot.block === id && vote.ballot.view === header.view;
    if (!fits || vote.signer !== header.proposer || header.network !== network || header.epoch !== members.set.epoch) {
      this.#deps.bus.punish(from, 'a proposal that is none');
      return;
    }
    const { core } = this.#deps;
    if (header.proposer !== leaderOf(header.view, members.size)) {
      this.#deps.bus.punish(from, 'a proposal of who does not lead its view');
      return;
    }
    if (header.view <= core.final.view || header.view > core.view + VIEWS_AHEAD_MAX) return;
    if (chain.get(id)?.proposal != null && !this.#isNewVote(vote)) return;
    this.#vote(from, vote, { type: 'proposal', message }, true);
  }

  #vote(from: PeerKey, vote: Vote, turn: Turn, always = false): void {
    const check = voteCheck(this.#deps.network, this.#deps.members.set, vote);
    if (check === null) this.#deps.bus.punish(from, 'a vote of no validator');
    else if (vote.signer === this.#deps.members.self)
      this.#verify(from, [check], { type: 'echo', ballot: vote.ballot });
    else if (always || this.#isNewVote(vote)) this.#verify(from, [check], turn);
  }

  /** Whether a vote could still matter here: a known one does not, nor one far ahead; one for an old view tells who lags. */
  #isNewVote(vote: Vote): boolean {
    const { core } = this.#deps;
    const { kind, view } = vote.ballot;
    if (view > core.view + VIEWS_AHEAD_MAX) return false;
    if (view <= core.final.view) return kind === 'nullify';
    const known = core.rounds.get(view)?.votes[kind].get(vote.signer);
    return known === undefined || kind === 'nullify' || !areSameVote(known, vote);
  }

  #certificate(from: PeerKey, certificate: Certificate, turn: Turn): void {
    const { core } = this.#deps;
    const { kind, view } = certificate.ballot;
    if (view <= core.final.view) return;
    const round = core.rounds.get(view);
    const known = { notarize: round?.notarization, nullify: round?.nullification, finalize: round?.finalization }[kind];
    if (known == null) this.#certified(from, certificate, turn);
  }

  #certified(from: PeerKey, certificate: Certificate, turn: Turn): void {
    const { network, members } = this.#deps;
    if (judgeSigners(certificate.signatures, members.set) !== null)
      this.#deps.bus.punish(from, 'a certificate that is none');
    else this.#verify(from, certificateChecks(certificate, network, members.set), turn);
  }

  #final(from: PeerKey, message: Extract<Message, { type: 'final' }>): void {
    const { headers, certificate } = message;
    const { network, members, chain } = this.#deps;
    const ids = headers.map(blockId);
    const isChain = headers.every((header, i) => i === 0 || header.parent === ids[i - 1]);
    const { ballot } = certificate;
    if (
      !isChain ||
      ballot.kind !== 'finalize' ||
      ballot.block !== ids.at(-1) ||
      headers.some((h) => h.network !== network || h.epoch !== headers[0]?.epoch)
    ) {
      this.#deps.bus.punish(from, 'final blocks that are none');
      return;
    }
    if (headers[0]?.epoch !== members.set.epoch || ballot.view <= chain.pointer.view) return;
    this.#certified(from, certificate, { type: 'final', message });
  }

  #verify(from: PeerKey, checks: readonly SignatureCheck[], turn: Turn): void {
    if (!this.#begin(from)) return;
    void this.#deps.verifier.verify(checks).then((verdicts) => {
      this.#checks.end(from);
      if (verdicts.every((verdict) => verdict)) this.#deps.enqueue(turn);
      else this.#deps.bus.punish(from, 'a signature that does not hold');
    });
  }

  #batch(from: PeerKey, { bytes, signature }: Extract<Message, { type: 'batch' }>): void {
    const { lanes, members, network, chain, clock } = this.#deps;
    const batch = decodeBatch(bytes);
    const author = batch === null ? undefined : members.set.validators[batch.author];
    // Of an epoch that is over here, and not yet there.
    if (batch !== null && batch.epoch !== members.set.epoch) return;
    if (batch === null || author === undefined) {
      this.#deps.bus.punish(from, 'a batch that is none');
      return;
    }
    const want = chain.wants.batches.get(batch.author);
    const isAsked =
      want !== undefined && batch.number <= want.point.number && batch.incarnation <= want.point.incarnation;
    const isWanted = lanes.isWanted(batch.author, batch);
    const name = `${batch.author}/${batch.incarnation}/${batch.number}/${batch.previous}`;
    if ((!isAsked && !isWanted) || this.#batches.has(name) || lanes.isKnown(batch, signature)) return;
    if (!this.#begin(from)) return;
    this.#batches.add(name);
    const key = fromHex(author.networkKey);
    void this.#deps.verifier.batch({ network, key, bytes, signature }).then(({ digest, valid }) => {
      this.#checks.end(from);
      this.#batches.delete(name);
      if (!valid) this.#deps.bus.punish(from, 'a batch that its author did not sign');
      // Past the bounds of a lane only what a block needs is taken, by its very digest: an author cannot fill memory with more.
      else if (
        !lanes.has(batch.author, digest) &&
        (isWanted || digest === want?.point.digest || lanes.hasRoom(batch.author))
      ) {
        const items = laneItems(batch.items);
        const held = heldBatch({ batch, digest, bytes, signature, items, learning: true, sinceMs: clock.elapsed() });
        this.#deps.enqueue({ type: 'batch', held });
        void learnFacts(held.items, this.#deps.keyOf, this.#deps.verifier, 'lane').then(() => {
          held.learning = false;
          this.#deps.enqueue({ type: 'wake' });
        });
      }
    });
  }

  #begin(from: PeerKey): boolean {
    const begun = this.#checks.begin(from);
    if (!begun) this.#deps.metrics.count('frames_dropped');
    return begun;
  }
}

/** How much is under way for each peer, up to a bound. */
class UnderWay {
  readonly #max: number;
  readonly #counts = new Map<PeerKey, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** False when the bound is reached; else `end` must follow. */
  begin(peer: PeerKey): boolean {
    const count = this.#counts.get(peer) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(peer, count + 1);
    return true;
  }

  end(peer: PeerKey): void {
    const left = (this.#counts.get(peer) ?? 1) - 1;
    if (left === 0) this.#counts.delete(peer);
    else this.#counts.set(peer, left);
  }
}
