/** `keys`: a bank's or a validator's key files, and the proof that a bank holds a key. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { createClient } from '../api/client.js';
import { proveKey } from '../api/signing.js';
import { createKeyFile, type KeyFileAlg, loadBankKey } from '../keys/files.js';
import { type NodeOptions, readBic, withNode } from './arguments.js';
import { done, failed, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';

export function keysCommands(program: Command, run: Runner): void {
  const keys = program.command('keys').description('make and show key files');
  keys
    .command('generate')
    .description('make a key and write it to a new file that only its owner may read')
    .requiredOption('--out <file>', 'the file, which must not exist')
    .addOption(new Option('--alg <alg>', 'kind of key').choices(['Ed25519', 'ES256']).default('Ed25519'))
    .addHelpText('after', '\nExample:\n  causeway keys generate --out bank.pem --alg ES256')
    .action(run(generate));
  keys
    .command('show')
    .description('show the public key of a key file, with its thumbprint (RFC 7638)')
    .argument('<file>', 'a key file, PEM PKCS#8')
    .addHelpText('after', '\nExample:\n  causeway keys show bank.pem')
    .action(run(show));
  withNode(keys.command('prove'))
    .description("prove that a party holds a key: its jurisdiction's authority needs this to admit it")
    .argument('<file>', 'a key file, PEM PKCS#8')
    .requiredOption('--party <bic>', 'whose key it will be', readBic)
    .addHelpText('after', '\nExample:\n  causeway keys prove bank.pem --party HSBCHKHHXXX --json > bank.proof.json')
    .action(run(prove));
}

async function generate({ out, alg }: { readonly out: string; readonly alg: KeyFileAlg }): Promise<Outcome> {
  const made = createKeyFile(out, alg);
  if (!made.ok) return failed('file', made.code, `${made.detail}.`);
  return done({ file: out, kid: made.kid, jwk: made.jwk }, `${out} holds a new ${alg} key.\n${made.kid}`);
}

async function show(file: string): Promise<Outcome> {
  const loaded = loadBankKey(file);
  if (!loaded.ok) return failed('file', loaded.code, `${loaded.detail}.`);
  const { kid, jwk } = loaded.key;
  return done({ kid, jwk }, `${kid}\n${JSON.stringify(jwk)}`);
}

async function prove(file: string, { node, party }: NodeOptions & { readonly party: string }): Promise<Outcome> {
  const loaded = loadBankKey(file);
  if (!loaded.ok) return failed('file', loaded.code, `${loaded.detail}.`);
  const status = await createClient(node).getStatus();
  if (!status.ok) return refusedBy(status.problem);
  const proof = await proveKey({ network: status.value.network, party, jwk: loaded.key.jwk }, loaded.key);
  return done(proof, JSON.stringify(proof));
}
