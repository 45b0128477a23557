/** `npm run bench -- against COMMIT`: the programs of the peers' table in this tree and in an earlier one, turn about in one run. */

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = join(__dirname, '..');
const programs = ['alu', 'memory', 'calls'];

const rate = (tree: string, program: string): number => {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['scripts/run.mjs', 'bench/one.ts', program], {
    cwd: tree,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${tree}: ${stderr}`);
  return Number(stdout.trim().split('\n').at(-1));
};

export const benchAgainst = (commit: string, rounds: number, median: (values: readonly number[]) => number): void => {
  const tree = join(mkdtempSync(join(tmpdir(), 'ringside-against-')), 'tree');
  const git = (...words: string[]): void => void execFileSync('git', words, { cwd: here, stdio: 'ignore' });
  git('worktree', 'add', '--detach', tree, commit);
  try {
    symlinkSync(join(here, 'node_modules'), join(tree, 'node_modules'));
    copyFileSync(join(__dirname, 'one.ts'), join(tree, 'bench/one.ts'));
    for (const program of programs) {
      const now: number[] = [];
      const ratios: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const before = rate(tree, program);
        const after = rate(here, program);
        now.push(after);
        ratios.push(after / before);
      }
      console.log(`${program.padEnd(12)} ${median(now).toFixed(2)}, ${median(ratios).toFixed(3)} x ${commit}`);
    }
  } finally {
    git('worktree', 'remove', '--force', tree);
    rmSync(join(tree, '..'), { recursive: true, force: true });
  }
};
