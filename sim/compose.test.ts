/** The network of `deploy/compose`: who stands where and with what rights, and that what is watched is really measured. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { loadConfig } from '../node/config.js';
import { inCheckout } from '../protocol/checkout.test-helper.js';
import {
  alertRules,
  DASHBOARD,
  labelsIn,
  measured,
  metricsIn,
  monitoring,
  panelsShown,
} from './monitoring.test-helper.js';

const root = inCheckout('.');
const folder = join(root, 'deploy/compose');
const yamlOf = (path: string): unknown => parse(readFileSync(path, 'utf8'), { merge: true });

interface Service {
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly volumes: readonly string[];
}
interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, null>>;
}
const compose = yamlOf(join(folder, 'compose.yaml')) as ComposeFile;

/** Each jurisdiction: its validator, whose that is, and its commercial bank's node. */
const JURISDICTIONS = [
  { validator: 'hk', authority: 'HKMAHKHHXXX', bank: 'hsbc', party: 'HSBCHKHHXXX' },
  { validator: 'cn', authority: 'PBOCCNBJXXX', bank: 'icbk', party: 'ICBKCNBJXXX' },
  { validator: 'th', authority: 'BOTHTHBKXXX', bank: 'bkkb', party: 'BKKBTHBKXXX' },
  { validator: 'ae', authority: 'CBAUAEAAXXX', bank: 'ebil', party: 'EBILAEADXXX' },
] as const;
const validators: readonly string[] = JURISDICTIONS.map(({ validator }) => validator);
const banks: readonly string[] = JURISDICTIONS.map(({ bank }) => bank);
const serviceOf = (name: string): Service => compose.services[name] as Service;

t.test('a jurisdiction is a network, and only validators stand on the border', (t) => {
  t.same(Object.keys(compose.networks).sort(), ['border', ...validators].sort());
  t.equal(compose.networks['border']?.internal, true, 'no way out of the border');
  for (const { validator, authority, bank } of JURISDICTIONS) {
    t.same(serviceOf(validator).networks, [validator, 'border']);
    t.same(serviceOf(bank).networks, [validator]);
    const peers = serviceOf(bank).environment?.['CAUSEWAY_PEERS'];
    t.equal(peers, `${authority}=/dns4/${validator}/tcp/7000`, 'which is the one that it can reach');
  }
  t.end();
});

t.test('every service has the least rights', (t) => {
  const monitors = ['prometheus', 'grafana'];
  t.same(Object.keys(compose.services).sort(), ['setup', ...validators, ...banks, ...monitors].sort());
  for (const [name, service] of Object.entries(compose.services)) {
    t.match(service, { cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }, name);
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/, `${name} is reached from this machine`);
    if (name !== 'grafana') t.match(service, { read_only: true }, name);
  }
  for (const name of monitors)
    t.same(serviceOf(name).profiles, ['monitoring'], `${name} is started when it is asked for`);
  const ports = Object.values(compose.services).flatMap(({ ports: own = [] }) => own.map((port) => port.split(':')[1]));
  t.equal(new Set(ports).size, ports.length, 'no port twice');
  t.end();
});

t.test('a node gets its own configuration, its own keys as secrets, and two volumes', (t) => {
  for (const { validator, authority, bank, party } of JURISDICTIONS) {
    hasItsOwn(t, validator, authority, ['vote', 'network']);
    hasItsOwn(t, bank, party, ['network']);
  }
  const used = [...validators, ...banks].flatMap((name) => serviceOf(name).secrets?.map(({ source }) => source) ?? []);
  t.same(Object.keys(compose.secrets).sort(), used.sort(), 'each secret is for one node');
  t.end();
});

function hasItsOwn(t: Test, name: string, party: string, keys: readonly string[]): void {
  const { environment = {}, secrets = [], volumes } = serviceOf(name);
  const mounts = new Map(
    volumes.map((volume) => volume.replace(/^\$\{[^}]*\}/, 'network').split(':') as [string, string]),
  );
  t.equal(mounts.get(`network/${name}/node.toml`), '/etc/causeway/node.toml', name);
  t.same(
    [...mounts].filter(([from]) => from in compose.volumes),
    [
      [name, '/data'],
      [`${name}-mark`, '/mark'],
    ],
  );
  const files = new Map([...mounts].map(([from, to]) => [to, from]));
  for (const { source, target } of secrets) files.set(`/run/secrets/${target}`, compose.secrets[source]?.file ?? '');
  t.same(
    secrets.map(({ target, source }) => [target, compose.secrets[source]?.file]),
    keys.map((key) => [`${key}.pem`, `\${CAUSEWAY_NETWORK:-./network}/${name}/keys/${key}.pem`]),
  );
  // What stands in the file is the environment's to change, but for the party; the node reads both, and misses its files.
  const written = `party = "${party}"\ngenesis = "../genesis.json"\ndata = "data"\n[keys]\nnetwork = "keys/network.pem"\n[p2p]\nlisten = "/ip4/127.0.0.1/tcp/7000"\n`;
  const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)]));
  const loaded = loadConfig(join(t.testdir({ [`${name}.toml`]: written }), `${name}.toml`), env);
  const errors = loaded.ok ? [] : loaded.errors;
  t.equal(errors.length, keys.length + 1, 'nothing but files is missing', { errors });
  for (const error of errors) {
    const path = / names (\/\S+): there is no such file/.exec(error)?.[1] ?? error;
    t.ok(files.has(path), `${path} is mounted`);
  }
}

/** Labels that Prometheus gives, by the scrape. */
const SCRAPED_LABELS = ['instance', 'job', 'role'];

/** An expression names metrics that nodes tell, and asks for labels that those or the scrape give. */
async function isMeasured(t: Test, expression: string, where: string): Promise<void> {
  const measuredBy = await measured;
  const known = new Set(SCRAPED_LABELS);
  const names = metricsIn(expression);
  t.ok(names.length > 0, `${where} asks for something: ${expression}`);
  for (const name of names) {
    t.ok(measuredBy.has(name), `${where}: a node measures ${name}`);
    for (const label of measuredBy.get(name) ?? []) known.add(label);
  }
  for (const { label } of labelsIn(expression)) t.ok(known.has(label), `${where}: label ${label}`);
}

t.test('Prometheus sees every node, and its rules name what nodes measure', async (t) => {
  const { scrape_configs: jobs, rule_files: files } = yamlOf(join(monitoring, 'prometheus.yaml')) as {
    readonly scrape_configs: readonly {
      readonly static_configs: readonly {
        readonly targets: readonly string[];
        readonly labels: { readonly role: string };
      }[];
    }[];
    readonly rule_files: readonly string[];
  };
  t.same(
    jobs.flatMap(({ static_configs: groups }) => groups.map(({ targets, labels }) => [labels.role, targets])),
    [
      ['validator', validators.map((name) => `${name}:8080`)],
      ['participant', banks.map((name) => `${name}:8080`)],
    ],
  );
  t.same(serviceOf('prometheus').networks, validators, 'which it reaches');
  t.same(files, ['alerts.yaml']);
  const rules = alertRules();
  t.ok(rules.length >= 10, `saw ${rules.length} rules`);
  for (const { alert, expr, ...rest } of rules) {
    await isMeasured(t, expr, alert);
    t.match(
      rest,
      { labels: { severity: /^(critical|warning)$/ }, annotations: { summary: /\.$/, action: /\.$/ } },
      alert,
    );
  }
});

t.test('the dashboards show what nodes measure', async (t) => {
  const { datasources } = yamlOf(join(monitoring, 'grafana/provisioning/datasources/prometheus.yaml')) as {
    readonly datasources: readonly { readonly uid: string; readonly url: string }[];
  };
  t.match(datasources, [{ uid: 'prometheus', url: 'http://prometheus:9090' }]);
  t.same(readdirSync(join(monitoring, 'grafana/dashboards')), [DASHBOARD]);
  const panels = panelsShown();
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'each panel has an id of its own');
  const shown = panels.filter(({ type }) => type !== 'row');
  for (const { title, datasource, targets = [] } of shown) {
    t.equal(datasource?.uid, 'prometheus', title);
    t.ok(targets.length > 0, `${title} shows something`);
    for (const { expr } of targets) await isMeasured(t, expr, title);
  }
  const all = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n');
  for (const name of [
    'instructions_finalized',
    'finality',
    'view',
    'nullifications',
    'queued',
    'circulating',
    'disk',
    'peers',
  ])
    t.match(all, `causeway_${name}`, name);
});

t.test('the image and the overlays have the version that package.json has', (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const told = [
    ...readFileSync(join(root, 'Dockerfile'), 'utf8').matchAll(/^ARG VERSION=(.*)$/gm),
    ...['participant', 'validator'].flatMap((overlay) => [
      ...readFileSync(join(root, `deploy/kubernetes/overlays/${overlay}/kustomization.yaml`), 'utf8').matchAll(
        /newTag: (.*)$/gm,
      ),
    ]),
  ].map(([, each]) => each);
  t.strictSame(told, [version, version, version, version]);
  t.end();
});
