/** All lies that the virtual world knows, by name. A lie more is a row more. */
import { AUTHORING } from './authoring.js';
import { CERTIFYING } from './certifying.js';
import { JOINING } from './joining.js';
import { LEADING } from './leading.js';
import { Liar, type LiarParts, type Lie } from './liar.js';
import { NOISE } from './noise.js';
import { PLOTTING } from './plotting.js';
import { VOTING } from './voting.js';

export const LIES: ReadonlyMap<string, Lie> = new Map(
  Object.entries({ ...LEADING, ...VOTING, ...CERTIFYING, ...AUTHORING, ...JOINING, ...PLOTTING, ...NOISE }),
);

/** A liar that knows all lies and tells none yet. */
export const newLiar = (parts: LiarParts): Liar => new Liar(parts, LIES);
