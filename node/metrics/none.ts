/** The metrics port where nothing is measured: tests and short commands. */
import type { Metrics } from '../ports.js';

export const noMetrics: Metrics = {
  count: () => undefined,
  gauge: () => undefined,
  gauges: () => undefined,
  observe: () => undefined,
};
