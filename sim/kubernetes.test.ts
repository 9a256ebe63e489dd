/**
 * The Kubernetes files of `deploy` against the schemas of Kubernetes and of the Prometheus operator, and against what is
 * promised of them. Where `kustomize` is at hand (or KUSTOMIZE names it), it renders the overlays; else a hand does, which
 * knows only what these files use.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { StatefulSet } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Namespace, Service, ServiceAccount } from 'kubernetes-models/v1';
import t, { type Test } from 'tap';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../node/config.js';
import { inCheckout } from '../protocol/checkout.test-helper.js';
import { alertRules, labelsIn, measured, panelsShown } from './monitoring.test-helper.js';

const root = inCheckout('.');
const folder = join(root, 'deploy/kubernetes');
const OVERLAYS = ['validator', 'participant'] as const;
const kustomize = process.env['KUSTOMIZE'] ?? 'kustomize';
const hasKustomize = spawnSync(kustomize, ['version'], { stdio: 'ignore' }).status === 0;

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: never;
  readonly data?: Readonly<Record<string, string>>;
}
interface Kustomization {
  readonly namespace?: string;
  readonly resources: readonly string[];
  readonly configMapGenerator?: readonly { readonly name: string; readonly files: readonly string[] }[];
  readonly labels?: readonly { readonly pairs: Readonly<Record<string, string>> }[];
  readonly images?: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[];
}

/** Each kind with its schema, and with the type whose members are all that it may have. */
const KINDS: Readonly<Record<string, { readonly schema: new (value: never) => { validate(): void }; from: string }>> = {
  ConfigMap: { schema: ConfigMap, from: 'kubernetes-models/v1' },
  Namespace: { schema: Namespace, from: 'kubernetes-models/v1' },
  NetworkPolicy: { schema: NetworkPolicy, from: 'kubernetes-models/networking.k8s.io/v1' },
  PodDisruptionBudget: { schema: PodDisruptionBudget, from: 'kubernetes-models/policy/v1' },
  Service: { schema: Service, from: 'kubernetes-models/v1' },
  ServiceAccount: { schema: ServiceAccount, from: 'kubernetes-models/v1' },
  ServiceMonitor: {
    schema: ServiceMonitor,
    from: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  },
  StatefulSet: { schema: StatefulSet, from: 'kubernetes-models/apps/v1' },
};

function documentsIn(text: string): Resource[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw new Error(document.errors.join('\n'));
    return document.toJS() as Resource;
  });
}

/** What `kustomize build` makes of a folder, as far as these files ask for: no patches, and names without prefixes. */
function rendered(place: string): Resource[] {
  const { namespace, resources, configMapGenerator, images, labels, ...rest } = documentsIn(
    readFileSync(join(place, 'kustomization.yaml'), 'utf8'),
  )[0] as unknown as Kustomization;
  const unknown = Object.keys(rest).filter((member) => member !== 'apiVersion' && member !== 'kind');
  if (unknown.length > 0) throw new Error(`${place}: this test renders no ${unknown.join(', ')}`);
  const read = resources.flatMap((name) =>
    name.endsWith('.yaml') ? documentsIn(readFileSync(join(place, name), 'utf8')) : rendered(join(place, name)),
  );
  const made = (configMapGenerator ?? []).map(({ name, files }) => {
    const data = Object.fromEntries(files.map((file) => [basename(file), readFileSync(join(place, file), 'utf8')]));
    const hash = createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 10);
    return { name, map: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${name}-${hash}` }, data } };
  });
  let text = JSON.stringify([...read, ...made.map(({ map }) => map)]);
  for (const { name, map } of made) text = text.replaceAll(`"name":"${name}"`, `"name":"${map.metadata.name}"`);
  for (const { name, newName, newTag } of images ?? [])
    text = text.replaceAll(`"image":"${name}"`, `"image":"${newName}:${newTag}"`);
  const pairs = Object.assign({}, ...(labels ?? []).map((each) => each.pairs)) as Readonly<Record<string, string>>;
  const all = (JSON.parse(text) as Resource[]).map((each) => ({
    ...each,
    metadata: { ...each.metadata, labels: { ...each.metadata.labels, ...pairs } },
  }));
  if (namespace === undefined) return all;
  return all.map((each) => (each.kind === 'Namespace' ? each : { ...each, metadata: { ...each.metadata, namespace } }));
}

function built(overlay: string): Resource[] {
  if (!hasKustomize) return rendered(join(folder, 'overlays', overlay));
  const { status, stdout, stderr } = spawnSync(kustomize, ['build', join(folder, 'overlays', overlay)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return documentsIn(stdout);
}

/** Members that no type has: the schemas let them pass, and a cluster does so too, with nothing but a warning. */
function unknownMembers(resources: readonly Resource[]): string[] {
  const file = join(root, 'resources.ts');
  const lines = resources.map((resource, at) => {
    const type = `import('${KINDS[resource.kind]?.from}').I${resource.kind}`;
    return `export const resource${at}: ${type} = ${JSON.stringify(resource)};`;
  });
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
  };
  const host = ts.createCompilerHost(options);
  const inner = { ...host };
  host.fileExists = (name) => name === file || inner.fileExists(name);
  host.getSourceFile = (name, ...more) =>
    name === file
      ? ts.createSourceFile(name, lines.join('\n'), ts.ScriptTarget.ES2022)
      : inner.getSourceFile(name, ...more);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(file))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** Labels of every series, by the Prometheus operator's own relabelling of an endpoint of a service. */
const OPERATOR_LABELS = ['instance', 'namespace', 'service', 'pod', 'container', 'endpoint'];
const nodeLabels = [...(await measured).values()].flatMap((labels) => [...labels]);

const one = (resources: readonly Resource[], kind: string, name: string): Resource => {
  const found = resources.filter((each) => each.kind === kind && each.metadata.name === name);
  if (found.length !== 1) throw new Error(`${found.length} of ${kind} ${name}`);
  return found[0] as Resource;
};

for (const overlay of OVERLAYS) {
  t.test(`the overlay of a ${overlay}, rendered by ${hasKustomize ? 'kustomize' : 'hand'}`, (t) => {
    const resources = built(overlay);
    for (const resource of resources) {
      const { kind, metadata } = resource;
      const known = KINDS[kind];
      if (known === undefined) throw new Error(`no schema of ${kind}`);
      t.doesNotThrow(() => new known.schema(resource as never).validate(), `${kind} ${metadata.name}`);
      if (kind !== 'Namespace') t.equal(metadata.namespace, `causeway-${overlay}`, `${kind} ${metadata.name}`);
    }
    t.same(unknownMembers(resources), [], 'no member that Kubernetes does not know');
    hasLeastRights(t, resources);
    findsItsParts(t, resources);
    hasConfiguration(t, resources, overlay);
    isFoundByAlerts(t, resources, overlay);
    t.end();
  });
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
}
interface Workload {
  readonly replicas: number;
  readonly serviceName: string;
  readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string }; readonly spec: object }[];
  readonly template: {
    readonly metadata: { readonly labels: object };
    readonly spec: {
      readonly containers: readonly {
        readonly image: string;
        readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
        readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
      }[];
      readonly volumes: readonly Volume[];
    };
  };
}
function workloadOf(resources: readonly Resource[]): Workload {
  return one(resources, 'StatefulSet', 'causeway').spec as unknown as Workload;
}

function hasLeastRights(t: Test, resources: readonly Resource[]): void {
  const { replicas, template, volumeClaimTemplates } = workloadOf(resources);
  t.equal(replicas, 1, 'one pod signs');
  t.match(template.spec, {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  t.equal(template.spec.containers.length, 1);
  t.match(template.spec.containers[0], {
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    startupProbe: { httpGet: { path: '/healthz' } },
    livenessProbe: { httpGet: { path: '/healthz' } },
    readinessProbe: { httpGet: { path: '/readyz' } },
    resources: { requests: { cpu: /./, memory: /./ }, limits: { memory: /./ } },
  });
  t.same(
    volumeClaimTemplates.map(({ metadata }) => metadata.name),
    ['data', 'mark'],
    'the mark has a volume of its own',
  );
  for (const { spec } of volumeClaimTemplates) t.match(spec, { accessModes: ['ReadWriteOncePod'] });
  t.match(one(resources, 'ServiceAccount', 'causeway'), { automountServiceAccountToken: false });
}

/** Names that lead from one resource to another lead somewhere. */
function findsItsParts(t: Test, resources: readonly Resource[]): void {
  const { serviceName, template, volumeClaimTemplates } = workloadOf(resources);
  const [container] = template.spec.containers;
  const mounted = container?.volumeMounts.map(({ name }) => name).sort();
  const volumes = [...template.spec.volumes, ...volumeClaimTemplates.map(({ metadata }) => metadata)];
  t.same(mounted, volumes.map(({ name }) => name).sort(), 'every volume is mounted');
  t.match(one(resources, 'Service', serviceName), { spec: { clusterIP: 'None', publishNotReadyAddresses: true } });
  const ports = new Set(container?.ports.map(({ name }) => name));
  for (const { kind, metadata, spec } of resources) {
    if (kind !== 'Service' && kind !== 'PodDisruptionBudget' && kind !== 'NetworkPolicy') continue;
    const { selector, podSelector } = spec as unknown as Readonly<Record<string, { readonly matchLabels?: object }>>;
    const wanted = podSelector?.matchLabels ?? selector?.matchLabels ?? selector;
    t.match(template.metadata.labels, wanted, `${kind} ${metadata.name} means the pod`);
  }
  const named = JSON.stringify(resources).matchAll(/"(?:targetPort|port)":"([a-z0-9]+)"/g);
  for (const [, name = ''] of named) t.ok(ports.has(name), `port ${name}`);
  const monitor = one(resources, 'ServiceMonitor', 'causeway').spec as unknown as { readonly selector: object };
  const { labels } = one(resources, 'Service', 'causeway-http').metadata as { readonly labels?: object };
  t.match(labels, (monitor.selector as { readonly matchLabels: object }).matchLabels);
}

/** The node takes the configuration, but for the files that a cluster brings. */
function hasConfiguration(t: Test, resources: readonly Resource[], overlay: (typeof OVERLAYS)[number]): void {
  const { template } = workloadOf(resources);
  const [container] = template.spec.containers;
  const map = template.spec.volumes.find(({ configMap }) => configMap?.name.startsWith('causeway-config-'))?.configMap;
  const text = one(resources, 'ConfigMap', map?.name ?? '').data?.['node.toml'] ?? '';
  const loaded = loadConfig(join(t.testdir({ 'node.toml': text }), 'node.toml'), {});
  const missing = loaded.ok
    ? []
    : loaded.errors.map((error) => / names (\/\S+): there is no such file/.exec(error)?.[1]);
  const keys = overlay === 'validator' ? ['vote', 'network'] : ['network'];
  const wanted = keys.map((key) => `/run/secrets/causeway/${key}.pem`);
  t.same(missing, ['/etc/causeway-genesis/genesis.json', ...wanted], 'all else is in order');
  for (const path of missing)
    t.ok(
      container?.volumeMounts.some(({ mountPath }) => path?.startsWith(`${mountPath}/`)),
      `${path} is mounted`,
    );
  t.match(text, /^data = "\/data"\nmark = "\/mark"$/m, 'both on volumes');
}

/** Alerts and dashboards find their series: what they ask of the scrape, the monitor gives, with the values they ask for. */
function isFoundByAlerts(t: Test, resources: readonly Resource[], overlay: (typeof OVERLAYS)[number]): void {
  const { jobLabel, targetLabels } = one(resources, 'ServiceMonitor', 'causeway').spec as unknown as {
    readonly jobLabel: string;
    readonly targetLabels: readonly string[];
  };
  const { labels = {} } = one(resources, 'Service', 'causeway-http').metadata;
  // What is no character of a label's name in Prometheus becomes a line there.
  const given = new Map(targetLabels.map((name) => [name.replace(/\W/g, '_'), labels[name]]));
  given.set('job', labels[jobLabel]);
  t.equal(given.get('role'), overlay);
  const panels = panelsShown().flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const asked = [...alertRules().map(({ expr }) => expr), ...panels].flatMap(labelsIn);
  t.ok(asked.some(({ label }) => label === 'job') && asked.some(({ label }) => label === 'role'));
  const own = new Set([...OPERATOR_LABELS, ...nodeLabels]);
  for (const { label, value } of asked) {
    t.ok(given.has(label) || own.has(label), `something gives ${label}`);
    // Conditions on the role are of validators; a bank's node is to be left out of them.
    if (value !== null && given.has(label) && !(label === 'role' && overlay === 'participant'))
      t.equal(given.get(label), value, `${label} of a ${overlay}`);
  }
}

t.test('a member that Kubernetes does not know is found', (t) => {
  const wrong = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { publishNotReady: true } };
  t.match(unknownMembers([wrong as never]), [/publishNotReady/]);
  t.end();
});

t.test('keys are in none of the files', (t) => {
  for (const overlay of OVERLAYS)
    t.notMatch(JSON.stringify(built(overlay)), /PRIVATE KEY|"kind":"Secret"/, `a secret in ${overlay}`);
  t.end();
});
