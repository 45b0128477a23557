/**
 * Stepping and looking, measured side by side: the engine in this process, the adapter over its standard streams, QEMU's
 * gdb stub in its own protocol, Bochs' debugger with commands from a file.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskFiles } from '../src/cli/files-node';
import { readSettings } from '../src/debugger/machine-options';
import { Session } from '../src/debugger/session';
import { hasBochs, runOnBochs } from '../test/bochs';
import { DapSession } from './dap-session';
import { installed } from './engines';
import { GdbStub } from './gdb-stub';
import { type BenchGuest, disk } from './guests';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** A loop three calls deep, so that a stop has something to show. */
const guest = `bits 64
start:  call outer
        jmp start
outer:  push rbp
        mov rbp, rsp
        call inner
        pop rbp
        ret
inner:  push rbp
        mov rbp, rsp
        mov ecx, 1000
.next:  inc qword [count]
        add rax, [count]
        dec ecx
        jnz .next
        pop rbp
        ret
        align 256               ; writes beside code would be changes of code
count:  dq 0
`;

/** How often a second. */
const rate = async (times: number, work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  for (let n = 0; n < times; n++) await work();
  return (times * 1000) / (performance.now() - start);
};

interface Figures {
  readonly [name: string]: number[];
}

/** Steps a second of the machine, and of the debugger's engine, which also finds out where it stands and why. */
const engineSteps = async (program: string): Promise<{ machine: number; engine: number }> => {
  const session = await Session.start({
    files: new DiskFiles(),
    program,
    settings: readSettings({}, (name) => name),
    sinks: { serial: () => {}, console: () => {} },
    note: () => {},
  });
  const { machine } = session;
  const single = async () => machine.singleStep();
  const step = () => session.step(0, 'into', 'instruction');
  await rate(100_000, single);
  await rate(20_000, step);
  return { machine: await rate(500_000, single), engine: await rate(200_000, step) };
};

/** Steps of Bochs' debugger a second: a long list of commands against a short one. */
const bochsSteps = (alu: BenchGuest): number => {
  const run = (steps: number): number =>
    runOnBochs(
      { disk: disk(alu, 1000) },
      { megabytes: 64, commands: [...Array.from({ length: steps }, () => 's'), 'q'] },
    ).seconds;
  const [few, many] = [2_000, 60_000];
  return (many - few) / (run(many) - run(few));
};

export const benchDebuggers = async (alu: BenchGuest): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-bench-'));
  const program = join(folder, 'guest.asm');
  writeFileSync(program, guest);
  const qemu = installed('qemu-system-x86_64');
  const steps: Figures = { machine: [], engine: [], adapter: [], 'adapter with views': [], 'QEMU stub': [], Bochs: [] };
  const looks: Figures = {
    'Registers and Flags open': [],
    'all scopes open': [],
    'QEMU stub, registers and stack': [],
  };
  const session = new DapSession(join(__dirname, '../dist/cli.js'));
  const stub = qemu ? await GdbStub.start(alu) : undefined;
  try {
    await session.start(program);
    const usual = ['Registers', 'Flags'];
    await rate(500, async () => {
      await session.step();
      await session.look();
    });
    for (let round = 0; round < ROUNDS; round++) {
      const own = await engineSteps(program);
      steps.machine?.push(own.machine);
      steps.engine?.push(own.engine);
      steps.adapter?.push(await rate(10_000, () => session.step()));
      steps['adapter with views']?.push(
        await rate(1000, async () => {
          await session.step();
          await session.look(usual);
        }),
      );
      looks['Registers and Flags open']?.push(await lookTime(session, usual));
      looks['all scopes open']?.push(await lookTime(session));
      if (stub !== undefined) {
        steps['QEMU stub']?.push(await rate(5_000, () => stub.step()));
        looks['QEMU stub, registers and stack']?.push(1000 / (await rate(1000, () => stub.look())));
      }
      if (hasBochs()) steps.Bochs?.push(bochsSteps(alu));
    }
  } finally {
    session.end();
    stub?.end();
    rmSync(folder, { recursive: true });
  }
  const own = median(steps.adapter ?? []);
  for (const [name, values] of Object.entries(steps))
    if (values.length > 0)
      console.log(
        `steps: ${name} ${Math.round(median(values))} a second (the adapter: ${(own / median(values)).toFixed(2)} x)`,
      );
  for (const [name, values] of Object.entries(looks))
    if (values.length > 0) console.log(`from the stop to the variables: ${name} ${median(values).toFixed(2)} ms`);
};

/** Milliseconds from a stop until everything is shown, the way there and back among them. */
const lookTime = async (session: DapSession, open?: readonly string[]): Promise<number> => {
  const times: number[] = [];
  for (let n = 0; n < 200; n++) {
    await session.step();
    const start = performance.now();
    await session.look(open);
    times.push(performance.now() - start);
  }
  return median(times);
};
