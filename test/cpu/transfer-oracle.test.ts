/** Random privileged control flow in 32-bit protected mode, the same image on Ringside and on Bochs. */

import { expect, test } from 'vitest';
import { hasBochs } from '../bochs';
import { operations, Random, randomCase } from './transfer-oracle/cases';
import { reportOfBochs, reportOfRingside } from './transfer-oracle/engines';
import { assembleKernel, imageOf } from './transfer-oracle/image';

/** RINGSIDE_TRANSFERS asks for more, RINGSIDE_SEED for others. */
const COUNT = Number(process.env.RINGSIDE_TRANSFERS ?? 300);
const SEED = Number(process.env.RINGSIDE_SEED ?? 20_261);
/** Cases that fit below the memory that is not the program's. */
const LOT = 2600;

const kernel = assembleKernel();
const random = new Random(SEED);
const cases = Array.from({ length: COUNT }, () => randomCase(random, kernel.landing));
const lots = Array.from({ length: Math.ceil(COUNT / LOT) }, (_, lot) => cases.slice(lot * LOT, (lot + 1) * LOT));

/** A case as it is shown when it differs. */
const describeCase = (one: Uint8Array): string =>
  `${operations[one[48] as number]} at CPL ${one[49]}: ${Buffer.from(one).toString('hex')}`;

test.each(lots.map((lot, index) => [index, lot] as const))('lot %i runs to its end', (_, lot) => {
  expect(reportOfRingside(imageOf(kernel, lot, false))).toHaveLength(lot.length);
});

test.skipIf(!hasBochs()).each(lots.map((lot, index) => [index, lot] as const))(
  'lot %i does the same on Bochs (skipped where Bochs is not installed)',
  (_, lot) => {
    const ours = reportOfRingside(imageOf(kernel, lot, false));
    const theirs = reportOfBochs(imageOf(kernel, lot, true));
    const differences = lot.flatMap((one, index) =>
      ours[index] === theirs[index] ? [] : [{ case: describeCase(one), ringside: ours[index], bochs: theirs[index] }],
    );
    expect(differences).toEqual([]);
  },
  600_000,
);
