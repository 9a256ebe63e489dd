/**
 * Frames on a byte stream: a 4-byte big-endian length, then so many bytes. The stream keeps no boundaries, so writing
 * packs frames into chunks of one encrypted message each, and reading puts them together again. An empty frame is a
 * heartbeat.
 */
import { FRAME_BYTES_MAX, PEER_QUEUE_BYTES_MAX } from '../../protocol/limits.js';
import { assert } from '../../protocol/types.js';

const LENGTH_BYTES = 4;
/**
 * What is handed to the transport at once: with yamux's header (12) and Noise's tag (16) it fills one Noise message of
 * 65,535. More would let bulk stand before a vote for longer; less costs a send each.
 */
export const CHUNK_BYTES = 65_535 - 16 - 12;

assert(LENGTH_BYTES + FRAME_BYTES_MAX <= PEER_QUEUE_BYTES_MAX, 'a frame with its length fits a queue');

/** An empty frame: whoever reads it answers with the same on the same stream. */
export const HEARTBEAT = new Uint8Array();
/** Its bytes on a stream. */
export const HEARTBEAT_BYTES = new Uint8Array(LENGTH_BYTES);

/** Frames that wait for a peer's stream, oldest first, bounded in bytes. */
export class Outbox {
  #frames: Uint8Array[] = [];
  /** Place of the oldest frame: shifting an array of a hundred thousand for every frame would cost too much. */
  #head = 0;
  #waitingBytes = 0;
  /** The frame that is partly sent, and how much of it is. It can no longer be dropped without breaking the stream. */
  #current: { readonly frame: Uint8Array; sentBytes: number } | null = null;

  /** Bytes that wait, lengths included. */
  get bytes(): number {
    const current = this.#current;
    return this.#waitingBytes + (current === null ? 0 : current.frame.length - current.sentBytes);
  }

  /** Adds a frame, then drops the oldest until at most `bytesMax` wait. Returns how many were dropped. */
  push(frame: Uint8Array, bytesMax: number): number {
    this.#frames.push(frame);
    this.#waitingBytes += LENGTH_BYTES + frame.length;
    return this.trim(bytesMax);
  }

  /** Drops the oldest frames until at most `bytesMax` wait, or only one does. Returns how many were dropped. */
  trim(bytesMax: number): number {
    let dropped = 0;
    while (this.bytes > bytesMax && this.#frames.length - this.#head > 1) {
      this.#shift();
      dropped += 1;
    }
    return dropped;
  }

  /** Forgets the frame that is partly sent: its stream is gone. Returns how many that were, 0 or 1. */
  abandon(): number {
    const abandoned = this.#current === null ? 0 : 1;
    this.#current = null;
    return abandoned;
  }

  /**
   * The next bytes for the stream, `CHUNK_BYTES` at most, and how many frames begin in them, heartbeats apart; null
   * when none wait.
   */
  takeChunk(): { readonly bytes: Uint8Array; readonly frames: number } | null {
    const size = Math.min(this.bytes, CHUNK_BYTES);
    if (size === 0) return null;
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    let at = 0;
    let frames = 0;
    while (at < size) {
      if (this.#current === null) {
        // A length is not split over two chunks.
        if (size - at < LENGTH_BYTES) break;
        const frame = this.#shift();
        view.setUint32(at, frame.length);
        at += LENGTH_BYTES;
        if (frame !== HEARTBEAT) frames += 1;
        this.#current = { frame, sentBytes: 0 };
      }
      const { frame, sentBytes } = this.#current;
      const part = frame.subarray(sentBytes, sentBytes + size - at);
      bytes.set(part, at);
      at += part.length;
      this.#current.sentBytes += part.length;
      if (this.#current.sentBytes === frame.length) this.#current = null;
    }
    return { bytes: bytes.subarray(0, at), frames };
  }

  #shift(): Uint8Array {
    const frame = this.#frames[this.#head];
    assert(frame !== undefined, 'a frame waits');
    // The place is freed at once: until the array is cut, it would keep a thousand frames of a megabyte alive.
    this.#frames[this.#head] = HEARTBEAT;
    this.#head += 1;
    this.#waitingBytes -= LENGTH_BYTES + frame.length;
    if (this.#head > 1024 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }
}

/**
 * Puts frames together. Holds one unfinished frame at most, so a stream costs `FRAME_BYTES_MAX` and no more; each
 * frame is memory of its own and may be kept. Heartbeats are handed on like frames.
 */
export class FrameReader {
  readonly #onFrame: (frame: Uint8Array) => void;
  #length = 0;
  #lengthBytes = 0;
  #frame: Uint8Array | null = null;
  #frameBytes = 0;
  #stopped = false;

  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** Takes the stream's next bytes. False once a length is out of bounds; what follows is then ignored. */
  read(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length && !this.#stopped) {
      if (this.#frame === null) {
        at += this.#readLength(bytes.subarray(at));
      } else {
        const part = bytes.subarray(at, at + this.#frame.length - this.#frameBytes);
        this.#frame.set(part, this.#frameBytes);
        this.#frameBytes += part.length;
        at += part.length;
      }
      if (this.#frame !== null && this.#frameBytes === this.#frame.length) {
        const frame = this.#frame;
        this.#frame = null;
        this.#onFrame(frame);
      }
    }
    return !this.#stopped;
  }

  /** Reads no further: the peer is cut off, perhaps in the middle of a chunk. */
  stop(): void {
    this.#stopped = true;
    this.#frame = null;
  }

  /** Takes bytes of a length; a frame begins once there are four. Returns how many it took. */
  #readLength(bytes: Uint8Array): number {
    const part = bytes.subarray(0, LENGTH_BYTES - this.#lengthBytes);
    for (const byte of part) this.#length = this.#length * 256 + byte;
    this.#lengthBytes += part.length;
    if (this.#lengthBytes === LENGTH_BYTES) {
      if (this.#length > FRAME_BYTES_MAX) this.stop();
      else this.#frame = new Uint8Array(this.#length);
      this.#frameBytes = 0;
      this.#length = 0;
      this.#lengthBytes = 0;
    }
    return part.length;
  }
}
