/**
 * Yamux with its bounds stated, and one that the library lacks: it gathers a data frame whole before it looks at the
 * frame's length against the window, so a liar's header of 4 GiB would fill memory.
 */
import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import { FRAME_BYTES_MAX } from '../../protocol/limits.js';

/**
 * In flight on a stream at most, and so the longest data frame there can be. A vote waits behind what is in flight of
 * bulk: measured on loopback under saturating bulk, 11 ms with 1 MiB and 65 ms with 4. It gives 5 MB/s at 200 ms.
 */
const WINDOW_BYTES_MAX = 1024 * 1024;
const WINDOW_BYTES_MIN = 256 * 1024;
const STREAMS_MAX = 64;
const KEEP_ALIVE_MS = 30_000;

// yamux specification, Framing: version 1, type 1, flags 2, stream 4, length 4; type 0 carries data.
const HEADER_BYTES = 12;
const TYPE_AT = 1;
const LENGTH_AT = 8;
const DATA = 0;

/** What libp2p takes as a stream muxer. */
export function guardedYamux(): () => StreamMuxerFactory {
  const create = yamux({
    enableKeepAlive: true,
    keepAliveInterval: KEEP_ALIVE_MS,
    maxInboundStreams: STREAMS_MAX,
    maxOutboundStreams: STREAMS_MAX,
    streamOptions: {
      initialStreamWindowSize: WINDOW_BYTES_MIN,
      maxStreamWindowSize: WINDOW_BYTES_MAX,
      // Streams live as long as their connection, however quiet.
      inactivityTimeout: Number.POSITIVE_INFINITY,
      // Read at once into frames, so nothing gathers here; a full window must not break a stream all the same.
      maxReadBufferLength: WINDOW_BYTES_MAX + FRAME_BYTES_MAX,
    },
  });
  return () => {
    const factory = create();
    return {
      protocol: factory.protocol,
      createStreamMuxer(connection) {
        // Listens first, so the connection is gone before the muxer gathers what follows.
        guardFrameLengths(connection);
        return factory.createStreamMuxer(connection);
      },
    };
  };
}

function guardFrameLengths(connection: MessageStream): void {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  let headerBytes = 0;
  let skipBytes = 0;
  connection.addEventListener('message', ({ data }) => {
    for (const part of data instanceof Uint8Array ? [data] : data) {
      let at = 0;
      while (at < part.length) {
        const skipped = Math.min(skipBytes, part.length - at);
        skipBytes -= skipped;
        at += skipped;
        const taken = part.subarray(at, at + HEADER_BYTES - headerBytes);
        header.set(taken, headerBytes);
        headerBytes += taken.length;
        at += taken.length;
        if (headerBytes < HEADER_BYTES) continue;
        headerBytes = 0;
        skipBytes = header[TYPE_AT] === DATA ? view.getUint32(LENGTH_AT) : 0;
        if (skipBytes <= WINDOW_BYTES_MAX) continue;
        connection.abort(new Error('a yamux frame is longer than any window'));
        return;
      }
    }
  });
}
