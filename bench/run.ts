/**
 * `npm run bench [-- NAME … | against COMMIT]`: the peers' table, measured side by side in one run. A figure is the difference between a
 * long and a short run; rates are medians over rounds, ratios are medians of the ratios within a round.
 */

import '../src/cli/tune-v8';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchAgainst } from './against';
import { benchConditions } from './conditions';
import { benchDebuggers } from './debuggers';
import { peers, ringside } from './engines';
import { type BenchGuest, guests } from './guests';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const words = process.argv.slice(2);
const against = words[0] === 'against' ? words[1] : undefined;
const wanted = against === undefined ? words : ['against'];
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Units a second, in millions. */
const rate = (engine: (typeof peers)[number], guest: BenchGuest, units: number): number => {
  const short = Math.round(guest.rounds / 10);
  const quick = engine.run(guest, short);
  const seconds = engine.run(guest, guest.rounds) - quick;
  return ((units / guest.rounds) * (guest.rounds - short)) / seconds / 1e6;
};

console.log(`million units a second (median of ${ROUNDS} rounds), and Ringside's ratio to each peer`);
for (const guest of guests) {
  if (wanted.length > 0 && !wanted.some((name) => guest.name.startsWith(name))) continue;
  ringside.run(guest, guest.rounds);
  const units = guest.unit === 'events' ? guest.rounds : ringside.instructions;
  // A guest of a hypervisor: beside those that have VT-x, and beside the same program outside.
  const besides = [
    ...peers.filter(({ vmx }) => vmx || !guest.vmx).map((engine) => ({ engine, guest })),
    ...(guest.outside ? [{ engine: { ...ringside, name: 'outside' }, guest: guest.outside }] : []),
  ];
  const own: number[] = [];
  const others = besides.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    own.push(rate(ringside, guest, units));
    for (const [index, beside] of besides.entries()) others[index]?.push(rate(beside.engine, beside.guest, units));
  }
  const columns = besides.map(({ engine }, index) => {
    const theirs = others[index] ?? [];
    const ratio = median(theirs.map((value, round) => (own[round] ?? 0) / value));
    return `${engine.name} ${median(theirs).toFixed(2)} (${ratio.toFixed(2)} x)`;
  });
  console.log(`${guest.name.padEnd(16)} Ringside ${median(own).toFixed(2)}  ${columns.join('  ')}`);
}

if (wanted.length === 0 || wanted.includes('conditions')) benchConditions();

if (wanted.length === 0 || wanted.includes('start')) {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-start-'));
  const guest = join(folder, 'exit.asm');
  writeFileSync(guest, 'bits 64\n mov al, 0\n out 0xf4, al\n');
  const time = (...words: string[]): number => {
    const start = performance.now();
    spawnSync(process.execPath, words, { stdio: 'ignore' });
    return performance.now() - start;
  };
  const empty: number[] = [];
  const own: number[] = [];
  for (let round = 0; round < 10; round++) {
    empty.push(time('-e', '0'));
    own.push(time(join(__dirname, '../dist/cli.js'), 'run', guest));
  }
  rmSync(folder, { recursive: true });
  console.log(
    `start to end of a guest of two instructions: ${median(own).toFixed(0)} ms, an empty Node process ${median(empty).toFixed(0)} ms`,
  );
}

if (against !== undefined) benchAgainst(against, ROUNDS, median);

if (wanted.length === 0 || wanted.includes('steps')) void benchDebuggers(guests[0] as BenchGuest);
