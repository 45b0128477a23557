/**
 * `ringside debug`: the debugger in the terminal. On a terminal with editing, history and completion; from a pipe or
 * with `-x FILE` as a script, each command shown before what it does.
 */

import { createInterface, type Interface } from 'node:readline';
import { ending } from '../debugger/endings';
import { BadInput } from '../program/program';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';
import { GuestOutput } from './guest-output';
import { settingsOf } from './options';
import { writeJson } from './result';
import { Terminal } from './terminal/terminal';

const PROMPT = '(ringside) ';
const STDOUT = 1;
const STDERR = 2;
const NEWLINE = 0x0a;
const BAD_INPUT = 2;
const INTERRUPTED = 130;
/** Milliseconds after which the guest's output shows while it runs. */
const SHOW = 30;

export const debug: Run = async (given) => {
  const [path] = given.operands;
  const settings = settingsOf(given);
  if (path === undefined && settings.bios === undefined)
    throw new BadInput('debug: which program? ringside debug FILE');
  const files = new DiskFiles();
  const script = await readScript(files, given.values.get('-x'));
  const json = given.values.get('--json');
  const output = new GuestOutput(json === '-' ? STDERR : STDOUT);
  const print = (text: string): void => {
    const line = output.last === NEWLINE ? `${text}\n` : `\n${text}\n`;
    for (const byte of new TextEncoder().encode(line)) output.put(byte);
    output.flush();
  };
  const sinks = { serial: output.put, console: output.put };
  const terminal = await Terminal.start({ files, program: path ?? null, settings, sinks, note: print }, print);
  const started = performance.now();
  const show = setInterval(() => output.flush(), SHOW);
  try {
    if (process.stdin.isTTY) print('`help` lists the commands, Tab completes, `quit` leaves');
    await terminal.here();
    const interrupted = await converse(terminal, script, print);
    output.flush();
    if (json !== undefined) {
      const end = terminal.ended ?? ending('interrupted');
      writeJson(json, end, terminal.session.machine, (performance.now() - started) / 1000);
    }
    if (interrupted) return INTERRUPTED;
    return terminal.failed && !process.stdin.isTTY ? BAD_INPUT : 0;
  } finally {
    clearInterval(show);
  }
};

const readScript = async (files: DiskFiles, file: string | undefined): Promise<string[]> =>
  file === undefined ? [] : new TextDecoder().decode(await files.read(file)).split(/\r?\n/);

/** The script first, then what is typed. @returns whether Ctrl-C ended it */
const converse = async (
  terminal: Terminal,
  script: readonly string[],
  print: (text: string) => void,
): Promise<boolean> => {
  let interrupted = false;
  const interrupt = (): void => {
    if (terminal.running) terminal.pause();
    if (!process.stdin.isTTY) {
      interrupted = true;
      terminal.quit();
    }
  };
  process.on('SIGINT', interrupt);
  try {
    for (const line of script) {
      if (terminal.left) return interrupted;
      if (line.trim() === '') continue;
      print(PROMPT + line);
      await terminal.execute(line);
    }
    if (terminal.left) return interrupted;
    const reader = createInterface({
      input: process.stdin,
      ...(process.stdin.isTTY ? { output: process.stdout } : {}),
      prompt: PROMPT,
      completer: (line: string) => terminal.complete(line),
    });
    reader.on('SIGINT', () => {
      if (terminal.running) terminal.pause();
      else {
        process.stdout.write('\n`quit` leaves\n');
        reader.prompt();
      }
    });
    await readLines(terminal, reader, print);
    return interrupted;
  } finally {
    process.off('SIGINT', interrupt);
  }
};

const readLines = async (terminal: Terminal, reader: Interface, print: (text: string) => void): Promise<void> => {
  const interactive = process.stdin.isTTY;
  if (interactive) reader.prompt();
  for await (const line of reader) {
    if (!interactive) {
      if (line.trim() === '') continue;
      print(PROMPT + line);
    }
    await terminal.execute(line);
    if (terminal.left) break;
    if (interactive) reader.prompt();
  }
  // Ctrl-D leaves the prompt's line unfinished.
  if (interactive && !terminal.left) process.stdout.write('\n');
  reader.close();
};
