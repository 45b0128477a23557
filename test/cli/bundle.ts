/** The command as one file, built from the sources as scripts/build.mjs builds it; once for each test file. */

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';
import { bundling, node } from '../../scripts/build.mjs';

const root = join(import.meta.dirname, '../..');

export interface Bundle {
  /** The command's file. */
  readonly command: string;
  /** A file that starts the debug adapter when it is run without arguments, as the test client does. */
  readonly adapter: string;
  /** A folder for the files of the tests. */
  readonly folder: string;
  write(name: string, content: string | Uint8Array): string;
}

/** Builds before the tests of the file, and cleans up behind them. */
export const useBundle = (): Bundle => {
  const cache = join(root, 'node_modules/.cache/ringside');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'ringside-test-'));
  const command = join(cache, `cli-${process.pid}.js`);
  const adapter = join(cache, `dap-${process.pid}.js`);
  beforeAll(async () => {
    await build({
      ...(bundling as BuildOptions),
      ...(node as BuildOptions),
      absWorkingDir: root,
      entryPoints: ['src/cli/main.ts'],
      outfile: command,
      logLevel: 'error',
    });
    writeFileSync(adapter, `process.argv.push('dap');\nrequire(${JSON.stringify(command)});\n`);
  });
  afterAll(() => {
    rmSync(command, { force: true });
    rmSync(adapter, { force: true });
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    command,
    adapter,
    folder,
    write: (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
  };
};

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  /** Ctrl-C after the first output. */
  readonly interrupt?: boolean;
}

/** Runs the command and waits for its end. */
export const ringside = (bundle: Bundle, words: readonly string[], options: RunOptions = {}): Promise<Result> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bundle.command, ...words], { cwd: bundle.folder });
    let stdout = '';
    let stderr = '';
    let interrupted = false;
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString();
      // Once, when the line is whole: a second Ctrl-C would end the process at once.
      if (options.interrupt && !interrupted && stdout.includes('\n')) interrupted = child.kill('SIGINT');
    });
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
