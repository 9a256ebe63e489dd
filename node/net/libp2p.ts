/**
 * The bus port on libp2p: TCP, Noise and yamux, direct connections to registered nodes and to nobody else.
 *
 * Who is not registered is refused as soon as Noise has shown its key, before any protocol runs. There is no discovery,
 * no relay, no identify: peers are those that `allow` was given last.
 */
import './with-resolvers.js';

import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPairFromSeed, publicKeyFromRaw } from '@libp2p/crypto/keys';
import type { Connection, ConnectionGater, Libp2p, PeerId, PrivateKey } from '@libp2p/interface';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { fromHex, toHex } from '../../protocol/codec.js';
import { FRAME_BYTES_MAX, VALIDATORS_MAX } from '../../protocol/limits.js';
import { assert, type Bic, type PeerKey } from '../../protocol/types.js';
import type { AllowedPeer, Bus, Clock, Log, Metrics, Purpose } from '../ports.js';
import { PeerLink, type Place, PROTOCOL_IDS, PURPOSES } from './link.js';
import { guardedYamux } from './yamux.js';

const DIAL_MS_MAX = 10_000;
const NEGOTIATION_MS_MAX = 10_000;
/** Streams to and from a peer are three each; more come for moments, when a session is replaced. */
const STREAMS_PER_PURPOSE_MAX = 4;
/** Connections that have not shown their key yet, and new ones in a second from one host (all may share one). */
const PENDING_CONNECTIONS_MAX = 4 * VALIDATORS_MAX;

export interface BusInit {
  /** Seed of the node's Ed25519 network key, 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Multiaddrs by party, as `/ip4/10.0.0.2/tcp/9000` or `/dns4/node.example/tcp/9000`; a party without one dials itself. */
  readonly addresses: ReadonlyMap<Bic, string>;
  /** Multiaddrs to listen on; port 0 takes a free one. */
  readonly listen: readonly string[];
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export interface Libp2pBus extends Bus {
  /** Listens and dials. Rejects when an address cannot be listened on. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Multiaddrs at which it listens, with the peer id. */
  listening(): string[];
}

/** @throws TypeError a sentence that names the party whose address cannot be used */
export async function createBus(init: BusInit): Promise<Libp2pBus> {
  assert(init.privateKey.length === 32, 'an Ed25519 seed has 32 bytes');
  for (const [party, address] of init.addresses) parseAddress(party, address);
  return new NodeBus(await generateKeyPairFromSeed('Ed25519', init.privateKey), init);
}

class NodeBus implements Libp2pBus {
  readonly #privateKey: PrivateKey;
  readonly #ownId: PeerId;
  readonly #init: BusInit;
  /** By peer id. */
  readonly #links = new Map<string, PeerLink>();
  #byKey = new Map<PeerKey, PeerLink>();
  readonly #self: PeerKey;
  #node: Libp2p | null = null;
  #frameHandler: Parameters<Bus['onFrame']>[0] = () => undefined;
  #peerHandler: Parameters<Bus['onPeer']>[0] = () => undefined;

  constructor(privateKey: PrivateKey, init: BusInit) {
    this.#privateKey = privateKey;
    this.#ownId = peerIdFromPublicKey(privateKey.publicKey);
    this.#init = init;
    this.#self = toHex(privateKey.publicKey.raw) as PeerKey;
  }

  send(to: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    assert(to !== this.#self, 'a node sends nothing to itself');
    assert(frame.length > 0 && frame.length <= FRAME_BYTES_MAX, 'a frame is within its bounds');
    const link = this.#byKey.get(to);
    if (link === undefined) this.#init.metrics.count('frames_dropped');
    else link.send(purpose, frame);
  }

  onFrame(handler: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void): void {
    this.#frameHandler = handler;
  }

  onPeer(handler: (peer: PeerKey) => void): void {
    this.#peerHandler = handler;
  }

  punish(peer: PeerKey, reason: string): void {
    this.#byKey.get(peer)?.punish(reason);
  }

  peers(): readonly { readonly peer: PeerKey; readonly connected: boolean }[] {
    return [...this.#byKey.values()].map((link) => ({ peer: link.peer, connected: link.up }));
  }

  listening(): string[] {
    return (this.#node?.getMultiaddrs() ?? []).map((address) => address.toString());
  }

  allow(peers: readonly AllowedPeer[]): void {
    const places = new Map<string, { peerId: PeerId; place: Place }>();
    for (const { peer, party } of peers) {
      const peerId = peerIdFromPublicKey(publicKeyFromRaw(fromHex(peer)));
      if (peerId.equals(this.#ownId)) continue;
      const text = this.#init.addresses.get(party);
      // With its own peer id, so that whoever answers there must have its key.
      const address = text === undefined ? null : parseAddress(party, text).encapsulate(`/p2p/${peerId.toString()}`);
      places.set(peerId.toString(), { peerId, place: { peer, address, dialsFirst: this.#self < peer } });
    }
    for (const [id, link] of this.#links) {
      if (places.has(id)) continue;
      this.#links.delete(id);
      link.close();
    }
    for (const [id, { peerId, place }] of places) {
      const known = this.#links.get(id);
      if (known !== undefined) {
        known.move(place);
        continue;
      }
      const link = this.#createLink(peerId, place);
      this.#links.set(id, link);
      if (this.#node !== null) link.start();
    }
    this.#byKey = new Map([...this.#links.values()].map((link) => [link.peer, link]));
  }

  async start(): Promise<void> {
    assert(this.#node === null, 'a bus is started once');
    const node = await this.#createNode();
    this.#node = node;
    node.addEventListener('connection:open', ({ detail: connection }) => {
      // A refused peer, or one just removed, may have come through the gater a moment before.
      this.#links.get(connection.remotePeer.toString())?.offer(connection);
    });
    for (const purpose of PURPOSES) {
      await node.handle(
        PROTOCOL_IDS[purpose],
        (stream, connection) => {
          const link = this.#links.get(connection.remotePeer.toString());
          if (link === undefined) stream.abort(new Error('not a registered node'));
          else link.accept(purpose, stream);
        },
        { maxInboundStreams: STREAMS_PER_PURPOSE_MAX, maxOutboundStreams: STREAMS_PER_PURPOSE_MAX },
      );
    }
    await node.start();
    for (const link of this.#links.values()) link.start();
  }

  async stop(): Promise<void> {
    const node = this.#node;
    if (node === null) return;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#byKey.clear();
    await node.stop();
    this.#node = null;
  }

  #createLink(peerId: PeerId, place: Place): PeerLink {
    const { clock, log, metrics } = this.#init;
    return new PeerLink(peerId, place, {
      clock,
      log,
      metrics,
      dial: (address, signal) => this.#dial(address, signal),
      connections: (id) => this.#node?.getConnections(id) ?? [],
      onFrame: (from, purpose, frame) => this.#frameHandler(from, purpose, frame),
      onChange: (link, up) => this.#onChange(link, up),
    });
  }

  #dial(address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    assert(this.#node !== null, 'a link dials while the bus runs');
    return this.#node.dial(address, { signal });
  }

  #onChange(link: PeerLink, up: boolean): void {
    const { log, metrics } = this.#init;
    metrics.gauge('peers', [...this.#links.values()].filter((each) => each.up).length);
    log.info({ peer: link.peer }, up ? 'connected to a peer' : 'lost the connection to a peer');
    if (up) this.#peerHandler(link.peer);
  }

  #createNode(): Promise<Libp2p> {
    return createLibp2p({
      start: false,
      privateKey: this.#privateKey,
      addresses: { listen: [...this.#init.listen] },
      // Idle is not dead: the links' heartbeats tell. Left alone, a quiet connection would close after two minutes.
      transports: [tcp({ inboundSocketInactivityTimeout: 0, outboundSocketInactivityTimeout: 0 })],
      connectionEncrypters: [noise()],
      streamMuxers: [guardedYamux()],
      connectionGater: this.#createGater(),
      // It aborts a busy connection on a late ping; the links' heartbeats tell who is gone.
      connectionMonitor: { enabled: false },
      connectionManager: {
        maxConnections: PENDING_CONNECTIONS_MAX,
        maxIncomingPendingConnections: PENDING_CONNECTIONS_MAX,
        inboundConnectionThreshold: PENDING_CONNECTIONS_MAX,
        dialTimeout: DIAL_MS_MAX,
        addressDialTimeout: DIAL_MS_MAX,
        inboundUpgradeTimeout: DIAL_MS_MAX,
        inboundStreamProtocolNegotiationTimeout: NEGOTIATION_MS_MAX,
        outboundStreamProtocolNegotiationTimeout: NEGOTIATION_MS_MAX,
        // Links connect again themselves.
        reconnectRetries: 0,
      },
    });
  }

  #createGater(): ConnectionGater {
    const deny = (peerId: PeerId): boolean => {
      const link = this.#links.get(peerId.toString());
      return link === undefined || link.refused;
    };
    return {
      denyDialPeer: deny,
      denyOutboundConnection: deny,
      denyOutboundEncryptedConnection: deny,
      denyOutboundUpgradedConnection: deny,
      denyInboundEncryptedConnection: (peerId, connection) => {
        if (!deny(peerId)) return false;
        const from = connection.remoteAddr.toString();
        this.#init.log.debug({ peerId: peerId.toString(), from }, 'refused a connection');
        return true;
      },
      denyInboundUpgradedConnection: deny,
    };
  }
}

function parseAddress(party: Bic, text: string): Multiaddr {
  let address: Multiaddr;
  try {
    address = multiaddr(text);
  } catch (error) {
    throw new TypeError(`The address ${text} of ${party} is not a multiaddr, as /ip4/10.0.0.2/tcp/9000 is.`, {
      cause: error,
    });
  }
  const names = address.getComponents().map((component) => component.name);
  if (names.includes('p2p'))
    throw new TypeError(`The address ${text} of ${party} names a key; leave out /p2p and what follows.`);
  return address;
}
