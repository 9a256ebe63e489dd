/** The survey of a node that does not run: its folder is opened, read, and closed again. */

import type { Survey } from '../../protocol/survey.js';
import { createClock } from '../clock.js';
import type { Config } from '../config.js';
import { createVerifier } from '../keys/verifier.js';
import { failureOf } from '../main.js';
import { noMetrics } from '../metrics/none.js';
import type { Store } from '../ports.js';
import { checked } from '../replica/checked.js';
import { networkClock } from '../replica/networkclock.js';
import { putSurveyed, type Surveyed, takeSurvey } from '../replica/survey.js';
import { openStore } from '../store/level.js';
import { hashPairsNative } from './hasher.js';
import { identify } from './identity.js';
import { checkRestored } from './restoremark.js';

/**
 * What this node knows of where its epoch came to. From then on it does not vote in that epoch.
 *
 * @throws Failure what the environment lacks: another process has the folder, say
 */
export function surveyFolder(config: Config, others: readonly Survey[]): Promise<Surveyed> {
  return withStore(config, async (store) => {
    const { genesis } = identify(config);
    const verifier = createVerifier({ threads: config.verifierThreads });
    try {
      const clock = networkClock(createClock(), genesis);
      const parts = { store, verifier, genesis, others, clock, metrics: noMetrics };
      return await takeSurvey({ ...parts, hasher: hashPairsNative });
    } finally {
      await verifier.close();
    }
  });
}

/** Lets a surveyed node vote again: for when no statement was signed. Throws as `surveyFolder` does. */
export const forgetSurvey = (config: Config): Promise<void> =>
  withStore(config, (store) => store.write([putSurveyed(null)], { sync: true }));

async function withStore<T>(config: Config, work: (store: Store) => Promise<T>): Promise<T> {
  checkRestored(config.data);
  try {
    const store = await openStore(config.data, { metrics: noMetrics });
    try {
      return await work(checked(store));
    } finally {
      await store.close();
    }
  } catch (error) {
    throw failureOf(error) ?? error;
  }
}
