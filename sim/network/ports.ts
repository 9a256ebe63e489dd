/** Ports in a row, for networks whose nodes are made with `--base-port`. */
import { isPortFree } from '../../node/main/freeports.js';

/** The first of so many loopback ports in a row that nothing listens on. */
export async function freeBlock(count: number): Promise<number> {
  for (let first = 21_000 + (process.pid % 1_000) * 10; first < 60_000; first += count) {
    const ports = Array.from({ length: count }, (_, at) => first + at);
    if ((await Promise.all(ports.map(isPortFree))).every((free) => free)) return first;
  }
  throw new Error('no free ports');
}
