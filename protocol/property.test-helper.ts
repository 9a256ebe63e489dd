import fc from 'fast-check';

/*
 * Every property draws its cases from one seed: what passed passes again, on every machine, and counts of what was met
 * are facts. Rare finds are looked for on purpose, and the seed of each is kept in its test:
 * PROPERTY_SEED=random npm test, or a number instead.
 */
const { PROPERTY_SEED = '20261123' } = process.env;
if (PROPERTY_SEED !== 'random') fc.configureGlobal({ seed: Number(PROPERTY_SEED) });

export { fc };
