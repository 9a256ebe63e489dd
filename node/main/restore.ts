/** A backup into an empty data folder, and the check of a folder or a backup. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Genesis } from '../../protocol/genesis.js';
import { networkTime } from '../../protocol/networktime.js';
import type { Restart } from '../../protocol/restart.js';
import { createClock } from '../clock.js';
import type { Config } from '../config.js';
import { createVerifier } from '../keys/verifier.js';
import type { Store, Table } from '../ports.js';
import type { Archive, ArchiveHeader } from '../replica/archive.js';
import { type Audit, audit } from '../replica/audit.js';
import { checked } from '../replica/checked.js';
import { type Finding, type Records, recordsOf } from '../replica/findings.js';
import { restoreRecords } from '../replica/restoring.js';
import { isInstalling } from '../replica/staging.js';
import { openStore } from '../store/level.js';
import { hasDatabase, type Refused, refused, syncFolder, withArchive, withFailures } from './backup.js';
import { WHY } from './backupsocket.js';
import { hashPairsNative } from './hasher.js';
import { identify } from './identity.js';
import { readRestart } from './restartfile.js';
import { checkRestored, restoreMarkOf } from './restoremark.js';

/** The root of a volume may have this folder of the file system's own. */
const VOLUME_OWN = 'lost+found';

/** What is checked against, from the network's own files. */
export interface Against {
  readonly genesis: Genesis;
  readonly vouched: readonly Restart[];
  readonly verifierThreads: number;
}

export type Step = 'reading' | 'checking' | 'writing';
/** How far a command has come: of so many, if that is known; or in which table. */
export type OnStep = (step: Step, done: number | Table, of: number | null) => void;

const againstOf = (config: Config, genesis: Genesis): Against => ({
  genesis,
  vouched: config.restart === null ? [] : [readRestart(config.restart).restart],
  verifierThreads: config.verifierThreads,
});

async function audited(
  records: Records,
  { genesis, vouched, verifierThreads }: Against,
  onStep: OnStep,
): Promise<Audit> {
  const verifier = createVerifier({ threads: verifierThreads });
  try {
    const onTable = (table: Table): void => onStep('checking', table, null);
    const now = networkTime(genesis, createClock().now());
    return await audit(records, { genesis, verifier, hasher: hashPairsNative, vouched, now, onTable });
  } finally {
    await verifier.close();
  }
}

export type Verified = { readonly ok: true; readonly audit: Audit; readonly header: ArchiveHeader | null } | Refused;

/**
 * Checks a backup without writing anything. Refuses as `openArchive` does; what it holds is in the findings.
 *
 * @throws Failure what the environment lacks
 */
export const verifyArchive = (path: string, against: Against, onStep: OnStep): Promise<Verified> =>
  withFailures(() =>
    withArchive(
      path,
      async (archive) => ({ ok: true, audit: await auditedArchive(archive, against, onStep), header: archive.header }),
      (bytes, of) => onStep('reading', bytes, of),
    ),
  );

/** What a backup says of itself must be what its records show. */
async function auditedArchive(archive: Archive, against: Against, onStep: OnStep): Promise<Audit> {
  const told = await audited(archive, against, onStep);
  const { network, epoch, height, block, root, time } = archive.header;
  const { final } = told;
  const isSame =
    final !== null &&
    [final.network === network, final.epoch === epoch, final.height === height].every(Boolean) &&
    [final.block === block, final.root === root, told.time === time].every(Boolean);
  if (isSame || told.found > 0) return told;
  const detail = 'the backup says another last final block of itself than its records show';
  const finding: Finding = { code: 'chain_broken', table: 'meta', where: 'header', detail };
  return { ...told, found: 1, findings: [finding] };
}

/**
 * Checks the folder of a node that does not run. Refuses with `no_ledger`, `installing`.
 *
 * @throws Failure what the environment lacks: another process has the folder, say
 */
export function verifyFolder(config: Config, genesis: Genesis, onStep: OnStep): Promise<Verified> {
  checkRestored(config.data);
  if (!hasDatabase(config.data)) return Promise.resolve(refused('no_ledger', WHY.no_ledger));
  return withFailures(async () => {
    const disk = await openStore(config.data);
    try {
      const store = checked(disk);
      if (isInstalling(disk)) return refused('installing', WHY.installing);
      return { ok: true, audit: await audited(recordsOf(store), againstOf(config, genesis), onStep), header: null };
    } finally {
      await disk.close();
    }
  });
}

export type Restored =
  | {
      readonly ok: true;
      readonly header: ArchiveHeader;
      readonly audit: Audit;
      /** These keys of the node may have signed what the backup does not know. */
      readonly retired: readonly string[];
    }
  | Refused;

/**
 * Restores a backup into the configured data folder, which must be absent or empty. All of the backup is checked before
 * anything of it is written, so that a refusal changes nothing: `not_empty`, `other_network`, the codes of `openArchive`, and
 * `archive_unsound` with the first thing found. The folder may be a mount point, so what is unfinished is told by a mark
 * in it: no node starts on it, and the next restore begins anew.
 *
 * @throws Failure what the environment lacks
 */
export function restoreNode(config: Config, path: string, onStep: OnStep): Promise<Restored> {
  const { genesis, own, voteKeys } = identify(config);
  return withFailures(() =>
    inFolder(config.data, (disk) =>
      withArchive(
        path,
        async (archive): Promise<Restored> => {
          const { header } = archive;
          if (header.network !== genesis.network) {
            const detail = `${path} is of network ${header.network}, the genesis file of ${genesis.network}.`;
            return refused('other_network', detail);
          }
          const told = await auditedArchive(archive, againstOf(config, genesis), onStep);
          const [first] = told.findings;
          if (first !== undefined) {
            const detail = `${path} does not hold together: ${first.table}, ${first.where}: ${first.detail}.`;
            return refused('archive_unsound', detail);
          }
          const onRecords = (written: number): void => onStep('writing', written, archive.records);
          const parts = { audit: told, keys: [own, ...voteKeys], hasher: hashPairsNative };
          await restoreRecords(archive, checked(disk), parts, onRecords);
          return { ok: true, header, audit: told, retired: voteKeys };
        },
        (bytes, of) => onStep('reading', bytes, of),
      ),
    ),
  );
}

/** Why nothing may be restored into a folder: it holds something, or another restore writes there now. */
async function whyTaken(data: string): Promise<Refused | null> {
  if (!existsSync(data)) return null;
  if (existsSync(restoreMarkOf(data))) {
    // Opening it fails while a restore is under way.
    if (hasDatabase(data)) await (await openStore(data)).close();
    return null;
  }
  if (isEmpty(data)) return null;
  return refused(
    'not_empty',
    `${data} is not empty: move what is there to another place, or set \`data\` to a new folder.`,
  );
}

/**
 * Has a folder restored into: from the first moment on it has the mark, by which no node starts on it, and its database is
 * this process's. What is refused or fails leaves it as it was.
 */
async function inFolder(data: string, restore: (disk: Store) => Promise<Restored>): Promise<Restored> {
  const taken = await whyTaken(data);
  if (taken !== null) return taken;
  const mark = restoreMarkOf(data);
  const [wasThere, wasMarked] = [existsSync(data), existsSync(mark)];
  mkdirSync(data, { recursive: true });
  writeFileSync(mark, 'A restore into this folder is under way, or did not come to its end.\n', { flush: true });
  await syncFolder(data);
  // A node that started before it could see the mark has made its files by now.
  if (!wasMarked && !isEmpty(data)) {
    rmSync(mark);
    return refused('not_empty', `${data} is not empty any more: something else writes there.`);
  }
  if (wasMarked) clear(data);
  const disk = await openStore(data).catch((error: unknown) => {
    if (!wasMarked) rmSync(mark);
    throw error;
  });
  let restored: Restored | null = null;
  try {
    restored = await restore(disk);
  } finally {
    await disk.close();
    if (restored?.ok !== true) {
      clear(data);
      if (!wasMarked) rmSync(mark);
      if (!wasThere) rmSync(data, { recursive: true });
    }
  }
  if (!restored.ok) return restored;
  await syncFolder(data);
  rmSync(mark);
  await syncFolder(data);
  return restored;
}

/** But for the mark of a restore. */
const isEmpty = (data: string): boolean =>
  readdirSync(data).every((name) => name === VOLUME_OWN || join(data, name) === restoreMarkOf(data));

/** Removes what an unfinished restore left, but for its mark. */
function clear(data: string): void {
  const mark = restoreMarkOf(data);
  for (const name of readdirSync(data)) {
    if (name !== VOLUME_OWN && join(data, name) !== mark) rmSync(join(data, name), { recursive: true, force: true });
  }
}
