/** The stage of a scenario in the world that was asked for, made for one run and removed after it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unreachable } from '../../protocol/types.js';
import { Cluster } from '../cluster/cluster.js';
import { ensureImage, ensureNextImage } from '../cluster/engine.js';
import { libfaketime } from '../network/faketime.js';
import type { Cast } from './cast.js';
import type { Fault, Scenario, WorldName } from './file.js';
import { NetworkFolder } from './files.js';
import type { Say } from './play.js';
import { openProcesses } from './processes.js';
import { RealStage } from './real.js';
import type { Stage } from './stage.js';
import { VirtualStage } from './virtual.js';

const PREFIX = 'causeway-scenario-';

export interface OpenStage {
  readonly stage: Stage;
  /** Ends all that runs, and removes what was made for it. */
  readonly remove: () => Promise<void>;
}

export interface StageOptions {
  readonly world: WorldName;
  readonly seed: number;
  /** Of containers. */
  readonly image: string;
  /** Of containers that are upgraded. */
  readonly nextImage: string;
}

export async function openStage(scenario: Scenario, cast: Cast, options: StageOptions, say: Say): Promise<OpenStage> {
  const { world, seed, image } = options;
  const has = (kind: Fault['fault']): boolean => scenario.faults?.some(({ fault }) => fault === kind) === true;
  const faketime = has('clock') ? libfaketime() : null;
  switch (world) {
    case 'virtual': {
      const stage = new VirtualStage(scenario, cast, seed);
      return { stage, remove: () => stage.close() };
    }
    case 'processes': {
      const dir = mkdtempSync(join(tmpdir(), PREFIX));
      const folder = new NetworkFolder(dir, scenario, cast, Date.now());
      const stage = new RealStage(scenario.profile, cast, folder, await openProcesses(cast, folder, seed, faketime));
      const remove = async (): Promise<void> => {
        await stage.close();
        rmSync(dir, { recursive: true, force: true });
      };
      return { stage, remove };
    }
    case 'containers': {
      await ensureImage(image, say);
      const nextImage = has('upgrade') ? options.nextImage : null;
      if (nextImage !== null) await ensureNextImage(nextImage, say);
      const dir = mkdtempSync(join(tmpdir(), PREFIX));
      const names = { project: `causeway-${process.pid}`, image, faketime };
      const cluster = await Cluster.create(join(dir, 'cluster'), names, scenario, seed);
      const stage = await cluster.stage(cast, nextImage);
      const remove = async (): Promise<void> => {
        await stage.close();
        await cluster.remove();
        rmSync(dir, { recursive: true, force: true });
      };
      return { stage, remove };
    }
    default:
      return unreachable(world);
  }
}
