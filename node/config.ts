/**
 * A node's configuration: a TOML file, over it the environment (CAUSEWAY_…), under it defaults. Read once, then frozen.
 * Every error is a sentence that names the file, the member and the mend, and all of them are told at once.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse, stringify, TomlError } from 'smol-toml';
import { type Static, type TObject, type TProperties, Type } from 'typebox';
import { Value } from 'typebox/value';
import { VALIDATORS_MAX } from '../protocol/limits.js';
import { type Bic, unreachable } from '../protocol/types.js';
import { isTooOpen } from './keys/mode.js';

const strict = <T extends TProperties>(properties: T): TObject<T> =>
  Type.Object(properties, { additionalProperties: false });

// A description completes the sentence "… must be …".
const PartyText = Type.String({
  pattern: '^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{5}$',
  description: 'a BIC of eleven characters, as "HKMAHKHHXXX"',
});
const PathText = Type.String({ minLength: 1, description: 'the path of a file, as text' });
const FolderText = Type.String({ minLength: 1, description: 'the path of a folder, as text' });
const AddressText = Type.String({
  pattern: '^/(ip4/[0-9.]+|ip6/[0-9a-fA-F:.]+|dns[46]?/[A-Za-z0-9.-]+)/tcp/[0-9]{1,5}(/p2p/[A-Za-z0-9]+)?$',
  description: 'a multiaddr over TCP, as "/ip4/127.0.0.1/tcp/7000" or "/dns4/hk.example/tcp/7000"',
});
const PortNumber = Type.Integer({ minimum: 0, maximum: 65_535, description: 'a port from 0 (any free one) to 65535' });
const milliseconds = (minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, description: `a whole number of milliseconds from ${minimum} to ${maximum}` });
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

const FILE_SCHEMA = strict({
  party: PartyText,
  genesis: PathText,
  restart: Type.Optional(PathText),
  data: FolderText,
  mark: Type.Optional(FolderText),
  verifierThreads: Type.Integer({ minimum: 1, maximum: 64, description: 'a whole number of threads from 1 to 64' }),
  keys: strict({ vote: Type.Optional(PathText), nextVote: Type.Optional(PathText), network: PathText }),
  http: strict({
    host: Type.String({ minLength: 1, description: 'a name or address of this machine, as "127.0.0.1"' }),
    port: PortNumber,
  }),
  p2p: strict({ listen: AddressText }),
  peers: Type.Array(strict({ party: PartyText, address: AddressText }), {
    maxItems: VALIDATORS_MAX,
    description: `a list of at most ${VALIDATORS_MAX} tables [[peers]], each with party and address`,
  }),
  log: strict({ level: Type.Enum([...LOG_LEVELS], { description: `one of ${LOG_LEVELS.join(', ')}` }) }),
  consensus: strict({ deltaMs: milliseconds(1, 60_000), batchMs: milliseconds(1, 10_000) }),
  retention: Type.Optional(
    strict({
      blocks: Type.Integer({ minimum: 1, description: 'a whole number of blocks from 1 on' }),
      days: Type.Integer({ minimum: 3, maximum: 36_500, description: 'a whole number of days from 3 on' }),
    }),
  ),
});

/** What the file says, once defaults and the environment are in it. Paths are as written. */
export type ConfigFile = Static<typeof FILE_SCHEMA>;
type Optional = 'verifierThreads' | 'http' | 'peers' | 'log' | 'consensus';
/** What `renderConfig` is given: members with a default may be left out. */
export type ConfigInput = Omit<ConfigFile, Optional> & {
  readonly [K in Optional]?: ConfigFile[K] extends readonly unknown[]
    ? ConfigFile[K]
    : ConfigFile[K] extends object
      ? Partial<ConfigFile[K]>
      : ConfigFile[K];
};

export interface Config {
  readonly party: Bic;
  /** Absolute, as every path here. */
  readonly genesis: string;
  /** The statement by which a network goes on that lost more than f validators; null when there is none. */
  readonly restart: string | null;
  readonly data: string;
  /** Where it is noted, outside the data folder, how often the vote keys have signed. */
  readonly mark: string;
  readonly verifierThreads: number;
  /** A participant has no vote key; `nextVote` is the one that replaces `vote` in the next epoch. */
  readonly keys: { readonly vote: string | null; readonly nextVote: string | null; readonly network: string };
  readonly http: { readonly host: string; readonly port: number };
  readonly p2p: { readonly listen: string };
  readonly peers: readonly { readonly party: Bic; readonly address: string }[];
  readonly log: { readonly level: (typeof LOG_LEVELS)[number] };
  readonly consensus: { readonly deltaMs: number; readonly batchMs: number };
  /** Of history, so many blocks and so many days are kept at least; null keeps everything. */
  readonly retention: { readonly blocks: number; readonly days: number } | null;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly errors: readonly string[] };

const DEFAULTS: Table = {
  verifierThreads: 2,
  http: { host: '127.0.0.1', port: 8080 },
  peers: [],
  log: { level: 'info' },
  consensus: { deltaMs: 500, batchMs: 5 },
};

/** Each variable with the member it sets. */
const ENVIRONMENT: Readonly<
  Record<string, { readonly path: readonly string[]; readonly type: 'text' | 'number' | 'peers' }>
> = {
  CAUSEWAY_PARTY: { path: ['party'], type: 'text' },
  CAUSEWAY_GENESIS: { path: ['genesis'], type: 'text' },
  CAUSEWAY_RESTART: { path: ['restart'], type: 'text' },
  CAUSEWAY_DATA: { path: ['data'], type: 'text' },
  CAUSEWAY_MARK: { path: ['mark'], type: 'text' },
  CAUSEWAY_VERIFIER_THREADS: { path: ['verifierThreads'], type: 'number' },
  CAUSEWAY_KEYS_VOTE: { path: ['keys', 'vote'], type: 'text' },
  CAUSEWAY_KEYS_NEXT_VOTE: { path: ['keys', 'nextVote'], type: 'text' },
  CAUSEWAY_KEYS_NETWORK: { path: ['keys', 'network'], type: 'text' },
  CAUSEWAY_HTTP_HOST: { path: ['http', 'host'], type: 'text' },
  CAUSEWAY_HTTP_PORT: { path: ['http', 'port'], type: 'number' },
  CAUSEWAY_P2P_LISTEN: { path: ['p2p', 'listen'], type: 'text' },
  CAUSEWAY_PEERS: { path: ['peers'], type: 'peers' },
  CAUSEWAY_LOG_LEVEL: { path: ['log', 'level'], type: 'text' },
  CAUSEWAY_CONSENSUS_DELTA_MS: { path: ['consensus', 'deltaMs'], type: 'number' },
  CAUSEWAY_CONSENSUS_BATCH_MS: { path: ['consensus', 'batchMs'], type: 'number' },
};

type Table = { [member: string]: unknown };
/** Where a value came from, to be named in an error: by member path with dots. */
type Origins = Map<string, string>;
interface Merged {
  readonly table: Table;
  readonly origins: Origins;
}

/**
 * The configuration in the file at `path`, under `env`. Relative paths in the file go from the file's folder, those of the
 * environment from the working folder.
 */
export function loadConfig(path: string, env: Readonly<Record<string, string | undefined>>): ConfigResult {
  const file = readToml(path);
  if (!file.ok) return file;
  const { merged, errors } = withEnvironment({ table: merge(DEFAULTS, file.table), origins: new Map() }, env);
  errors.push(...shapeErrors(path, merged));
  if (errors.length > 0) return { ok: false, errors };

  const read = merged.table as unknown as ConfigFile;
  const base = dirname(resolve(path));
  const at = (member: string, text: string) => resolve(merged.origins.has(member) ? '.' : base, text);
  const config: Config = {
    ...read,
    party: read.party as Bic,
    genesis: at('genesis', read.genesis),
    restart: read.restart === undefined ? null : at('restart', read.restart),
    data: at('data', read.data),
    mark: read.mark === undefined ? `${at('data', read.data)}.mark` : at('mark', read.mark),
    keys: {
      vote: read.keys.vote === undefined ? null : at('keys.vote', read.keys.vote),
      nextVote: read.keys.nextVote === undefined ? null : at('keys.nextVote', read.keys.nextVote),
      network: at('keys.network', read.keys.network),
    },
    retention: read.retention ?? null,
    peers: read.peers.map(({ party, address }) => ({ party: party as Bic, address })),
  };
  const wrong = [...peerErrors(path, config), ...fileErrors(path, config)];
  return wrong.length > 0 ? { ok: false, errors: wrong } : { ok: true, config: deepFreeze(config) };
}

/** A configuration as TOML; `loadConfig` reads it back. */
export const renderConfig = (input: ConfigInput): string => `${stringify(input).trimEnd()}\n`;

function readToml(path: string): { ok: true; table: Table } | { ok: false; errors: string[] } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return {
      ok: false,
      errors: [
        `${path}: ${fileReason(error)}; name a configuration file, or make one with \`causeway network create\`.`,
      ],
    };
  }
  try {
    return { ok: true, table: parse(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ''] = error.message.split('\n');
    return {
      ok: false,
      errors: [
        `${path}, line ${error.line}, column ${error.column}: not TOML (${reason.replace(/^Invalid TOML document: /, '')}); mend that line.`,
      ],
    };
  }
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !(value instanceof Date) && !Array.isArray(value);

/** `over` laid on `under`, table by table; lists are replaced. */
function merge(under: Table, over: Table): Table {
  const laid = Object.entries(over).map(([name, value]) => {
    const below = Object.hasOwn(under, name) ? under[name] : undefined;
    return [
      name,
      isTable(value) && (below === undefined || isTable(below)) ? merge(below ?? {}, value) : value,
    ] as const;
  });
  // From entries, so that a member `__proto__` is a member like any other, and unknown.
  return Object.fromEntries([...Object.entries(under), ...laid]);
}

function withEnvironment(
  { table, origins }: Merged,
  env: Readonly<Record<string, string | undefined>>,
): { merged: Merged; errors: string[] } {
  const errors: string[] = [];
  let merged = table;
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('CAUSEWAY_') || text === undefined) continue;
    const variable = Object.hasOwn(ENVIRONMENT, name) ? ENVIRONMENT[name] : undefined;
    if (variable === undefined) {
      // Only a slip of the pen is an error: an orchestrator sets variables of its own under a service's name.
      const meant = nearest(name, Object.keys(ENVIRONMENT));
      if (meant !== null) errors.push(`The environment has ${name}, which is no setting; did you mean ${meant}?`);
      continue;
    }
    const value = fromText(text, variable.type);
    const nested = variable.path.reduceRight<unknown>((inner, member) => ({ [member]: inner }), value);
    merged = merge(merged, nested as Table);
    origins.set(variable.path.join('.'), `the environment variable ${name}`);
  }
  return { merged: { table: merged, origins }, errors };
}

/** A variable's text as its member's value; what cannot be read stays text, and the schema says what it should be. */
function fromText(text: string, type: 'text' | 'number' | 'peers'): unknown {
  switch (type) {
    case 'text':
      return text;
    case 'number':
      return /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : text;
    case 'peers':
      return text
        .split(',')
        .filter((entry) => entry.trim() !== '')
        .map((entry) => {
          const [party = '', address = ''] = entry.trim().split(/=(.*)/s);
          return { party, address };
        });
    default:
      return unreachable(type);
  }
}

function shapeErrors(path: string, { table, origins }: Merged): string[] {
  const sentences = new Set<string>();
  for (const error of Value.Errors(FILE_SCHEMA, table)) {
    const members = error.instancePath.split('/').slice(1);
    const params = error.params as { requiredProperties?: readonly string[]; additionalProperties?: readonly string[] };
    if (params.requiredProperties !== undefined) {
      for (const name of params.requiredProperties) sentences.add(missing(path, [...members, name]));
    } else if (params.additionalProperties !== undefined) {
      for (const name of params.additionalProperties) sentences.add(unknown(path, members, name));
    } else {
      const schema = schemaAt([...members]);
      // A member that is not known has no schema, and was told already.
      if (schema === undefined) continue;
      const origin = originOf(origins, members);
      const wanted = schema.description ?? `a table ${tableName(members)}`;
      sentences.add(
        `${origin ?? path}: ${nameOf(members)} must be ${wanted}; it is ${shown(valueAt(table, members))}.`,
      );
    }
  }
  return [...sentences];
}

const missing = (path: string, members: readonly string[]): string => {
  return `${path}: ${nameOf(members)} is missing; set it to ${schemaAt(members)?.description ?? `a table ${tableName(members)}`}.`;
};

function unknown(path: string, members: readonly string[], name: string): string {
  const known = Object.keys(schemaAt(members)?.properties ?? {});
  const meant = nearest(name, known);
  const mend =
    meant === null ? `remove it, or use one of ${known.join(', ')}` : `did you mean ${nameOf([...members, meant])}?`;
  return `${path}: ${nameOf([...members, name])} is no setting; ${mend}${meant === null ? '.' : ''}`;
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** The schema of a member, through tables and lists. */
function schemaAt(members: readonly string[]): Schema | undefined {
  let schema: Schema | undefined = FILE_SCHEMA as Schema;
  for (const member of members) {
    const known: Readonly<Record<string, Schema>> = schema?.properties ?? {};
    schema = schema?.items ?? (Object.hasOwn(known, member) ? known[member] : undefined);
  }
  return schema;
}

const valueAt = (table: Table, members: readonly string[]): unknown =>
  members.reduce<unknown>((value, member) => (value as Table | undefined)?.[member], table);

function originOf(origins: Origins, members: readonly string[]): string | undefined {
  for (let length = members.length; length > 0; length--) {
    const origin = origins.get(members.slice(0, length).join('.'));
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/** `http.port`, `peers[2].address`: a list's entries count from 1, as people do. */
const nameOf = (members: readonly string[]): string =>
  members
    .map((member, at) => (/^[0-9]+$/.test(member) ? `[${Number(member) + 1}]` : `${at === 0 ? '' : '.'}${member}`))
    .join('');
const tableName = (members: readonly string[]): string => `[${members.join('.')}]`;

function shown(value: unknown): string {
  if (isTable(value)) return 'a table';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function peerErrors(path: string, { party, peers }: Config): string[] {
  const errors: string[] = [];
  const seen = new Set<string>();
  for (const [index, peer] of peers.entries()) {
    const name = `peers[${index + 1}].party`;
    if (peer.party === party) errors.push(`${path}: ${name} is ${party}, this node's own party; remove that entry.`);
    if (seen.has(peer.party))
      errors.push(`${path}: ${name} names ${peer.party} a second time; keep one address for each party.`);
    seen.add(peer.party);
  }
  return errors;
}

/** Files that must be there, and keys that must be their owner's alone. */
function fileErrors(path: string, { genesis, restart, keys, data, mark }: Config): string[] {
  const errors: string[] = [];
  const files = [
    { member: 'genesis', file: genesis, secret: false },
    { member: 'restart', file: restart, secret: false },
    { member: 'keys.vote', file: keys.vote, secret: true },
    { member: 'keys.nextVote', file: keys.nextVote, secret: true },
    { member: 'keys.network', file: keys.network, secret: true },
  ];
  for (const { member, file, secret } of files) {
    if (file === null) continue;
    try {
      const stat = statSync(file);
      if (!stat.isFile()) errors.push(`${path}: ${member} names ${file}, which is no file; name the file itself.`);
      else if (secret && isTooOpen(stat)) {
        errors.push(
          `${path}: ${member} names ${file}, which others than its owner may read; run \`chmod 600 ${file}\`.`,
        );
      }
    } catch (error) {
      errors.push(
        `${path}: ${member} names ${file}: ${fileReason(error)}; put it there, or set ${member} to where it is.`,
      );
    }
  }
  const named = files.filter(({ file, secret }) => secret && file !== null);
  for (const [at, { member, file }] of named.entries()) {
    const other = named.slice(0, at).find((each) => each.file === file);
    if (other !== undefined)
      errors.push(`${path}: ${other.member} and ${member} name the same file; give each its own key.`);
  }
  if (mark === data || mark.startsWith(`${data}/`))
    errors.push(
      `${path}: mark is inside data, which it is to be compared with; set it to a folder elsewhere, at best on another disk.`,
    );
  return errors;
}

function fileReason(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read it';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return (error as Error).message;
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}

/** The known name that a slip of the pen away (two changes at most, fewer in a short name) is `name`. */
function nearest(name: string, known: readonly string[]): string | null {
  const bare = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  let best: { name: string; distance: number } | null = null;
  for (const candidate of known) {
    const distance = editDistance(bare(name), bare(candidate));
    if (distance <= Math.min(2, Math.floor(candidate.length / 3)) && (best === null || distance < best.distance))
      best = { name: candidate, distance };
  }
  return best?.name ?? null;
}

/** Changes, insertions, removals and swaps of neighbours that make `b` of `a`. */
function editDistance(a: string, b: string): number {
  let rowBefore: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (rowBefore[j - 2] ?? Infinity) + 1 : Infinity;
      next.push(Math.min(changed, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    rowBefore = row;
    row = next;
  }
  return row[b.length] as number;
}
