/** What the monitoring of `deploy/compose` asks for, and what nodes measure. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { createMetrics } from '../node/metrics/prometheus.js';
import { inCheckout } from '../protocol/checkout.test-helper.js';

export const monitoring = inCheckout('deploy/compose/monitoring');
export const DASHBOARD = 'causeway.json';

interface Rule {
  readonly alert: string;
  readonly expr: string;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

export function alertRules(): readonly Rule[] {
  const { groups } = parse(readFileSync(join(monitoring, 'alerts.yaml'), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  return groups.flatMap((group) => group.rules);
}

export function panelsShown(): readonly Panel[] {
  const text = readFileSync(join(monitoring, 'grafana/dashboards', DASHBOARD), 'utf8');
  return (JSON.parse(text) as { readonly panels: readonly Panel[] }).panels;
}

/** What a node tells, each with its labels; and what Prometheus notes of a scrape itself. */
async function measuredNames(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const metrics = createMetrics();
  metrics.gauges('circulating', new Map([['HKD', 1]]));
  for (const disk of ['disk_free_bytes', 'disk_size_bytes'] as const) metrics.gauges(disk, new Map([['data', 1]]));
  const names = new Map<string, ReadonlySet<string>>([['up', new Set()]]);
  for (const [, name = '', labels = ''] of (await metrics.render()).matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm))
    names.set(name, new Set([...labels.matchAll(/(\w+)=/g)].map(([, label = '']) => label)));
  return names;
}
export const measured = measuredNames();

/** Metrics that an expression of PromQL names: words that are no functions, labels or numbers. */
export const metricsIn = (expression: string): readonly string[] =>
  [...expression.matchAll(/\b(causeway_\w+|up)\b(?!\()/g)].map(([, name = '']) => name);

/** Labels that an expression asks for, each with the value that it must have, or null where any will do. */
export function labelsIn(expression: string): readonly { readonly label: string; readonly value: string | null }[] {
  const matched = [...expression.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = '']) => [
    ...inner.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g),
  ]);
  const grouped = [...expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, inner = '']) => [
    ...inner.matchAll(/(\w+)/g),
  ]);
  return [
    ...matched.map(([, label = '', operator, value = '']) => ({ label, value: operator === '=' ? value : null })),
    ...grouped.map(([, label = '']) => ({ label, value: null })),
  ];
}
