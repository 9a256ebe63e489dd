/**
 * Loaded before every test. tap follows each promise (`node:async_hooks`) to tell which part of a test an error belongs
 * to that nobody caught. The virtual world makes millions of promises, and a fifth of its time went there. Without it
 * such an error ends the file, which fails with its stack all the same.
 */
import hooks from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';

const nothing = { enable: () => nothing, disable: () => nothing };
hooks.createHook = () => nothing;
syncBuiltinESMExports();
