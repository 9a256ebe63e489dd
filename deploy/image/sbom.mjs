/**
 * Takes out of a bill of materials in CycloneDX what differs from one build to the next, its time and its serial number,
 * and sorts it, so that the same lock file gives the same bytes; and says what npm cannot know: that this is a program,
 * whatever the folder is called, and which Node runs it. Packages of the base image are not in it.
 * Usage: node deploy/image/sbom.mjs FROM TO
 */
import { readFileSync, writeFileSync } from 'node:fs';

const [from, to] = process.argv.slice(2);
const { serialNumber: _, ...bill } = JSON.parse(readFileSync(from, 'utf8'));
const { timestamp: __, ...metadata } = bill.metadata;
const version = process.versions.node;
const runtime = {
  'bom-ref': `node@${version}`,
  type: 'platform',
  name: 'node',
  version,
  scope: 'required',
  purl: `pkg:generic/node@${version}`,
};
const by = (member) => (a, b) => (a[member] < b[member] ? -1 : 1);
const whole = {
  ...bill,
  metadata: { ...metadata, component: { ...metadata.component, type: 'application', name: 'causeway' } },
  components: [...bill.components, runtime].sort(by('bom-ref')),
  dependencies: [...bill.dependencies].sort(by('ref')),
};
writeFileSync(to, `${JSON.stringify(whole, null, 2)}\n`);
