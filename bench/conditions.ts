/**
 * What conditions cost: a loop of ten instructions with and without a breakpoint that never stops, and how many
 * evaluations that is a second.
 */

import { Breakpoints } from '../src/debugger/breakpoints';
import { Conditions } from '../src/debugger/conditions';
import { VcpuEnvironment } from '../src/debugger/environment';
import { ProgramInfo } from '../src/debugger/program-info';
import type { TriggerOptions } from '../src/debugger/trigger';
import type { Machine } from '../src/machine/pc';
import { type LinearAddress, linear } from '../src/x86/address';
import { boot } from '../test/guest';

const LOOP = `
bits 64
        xor ebx, ebx
        mov edi, 0x200000
again:  inc rbx
        mov rax, rbx
        shl rax, 3
        xor rdx, rax
        add rcx, rdx
        mov [rdi], rcx
        mov rsi, [rdi]
        sub rsi, rax
        test rsi, rsi
        jmp again
`;
const INSTRUCTIONS = 10;
const STEPS = 5_000_000;

const rows: readonly (readonly [string, TriggerOptions])[] = [
  ['rbx == 0', { condition: 'rbx == 0' }],
  ['rbx != 0, hit count', { condition: 'rbx != 0', hitCondition: '== 4000000000' }],
  ['hit count alone', { hitCondition: '% 4000000000' }],
  ['zf && rip != 0 && eax == 3', { condition: 'zf && rip != 0 && eax == 3' }],
  ['[rdi]:u64 == 1', { condition: '[rdi]:u64 == 1' }],
  ['phys[0x200000]:u32 / 3 == -1', { condition: 'phys[0x200000]:u32 / 3 == -1' }],
  ['cr8 != 0 (interpreted)', { condition: 'cr8 != 0' }],
];

const SLICES = 40;

/** Seconds for so many steps, in the best of many slices: others use this machine too. */
const time = (machine: Machine): number => {
  const slices = Array.from({ length: SLICES }, () => {
    const start = performance.now();
    machine.run(STEPS / SLICES);
    return performance.now() - start;
  });
  return (Math.min(...slices) * SLICES) / 1000;
};

/** What else slows a run down: watches that never stop. */
const watches: readonly (readonly [string, (breakpoints: Breakpoints) => void])[] = [
  ['watch of another page', (breakpoints) => breakpoints.watch(0x30_0000n, 8, 'change')],
  ['watch of the same page', (breakpoints) => breakpoints.watch(0x20_0800n, 8, 'change')],
  ['watch of cr3', (breakpoints) => breakpoints.watchRegister('cr3')],
  ['watch of r15', (breakpoints) => breakpoints.watchRegister('r15')],
];

export const benchConditions = (): void => {
  const median = (make: () => Machine): number =>
    Array.from({ length: 3 }, () => time(make())).sort((a, b) => a - b)[1] ?? Number.NaN;
  const free = median(() => boot(LOOP).machine);
  console.log(`a loop of ten instructions: ${(STEPS / free / 1e6).toFixed(0)} million instructions a second`);
  for (const [name, options] of rows) {
    const seconds = median(() => withBreakpoint(options));
    const evaluations = STEPS / INSTRUCTIONS;
    console.log(
      `${name.padEnd(32)} ${(seconds / free).toFixed(2)} x as long, ${(evaluations / (seconds - free) / 1e6).toFixed(1)} million evaluations a second`,
    );
  }
  for (const [name, set] of watches)
    console.log(`${name.padEnd(32)} ${(median(() => prepared(set)) / free).toFixed(2)} x as long`);
};

const withBreakpoint = (options: TriggerOptions): Machine =>
  prepared((breakpoints, again) => breakpoints.add([again], options));

const prepared = (set: (breakpoints: Breakpoints, again: LinearAddress) => void): Machine => {
  const guest = boot(LOOP);
  const { machine } = guest;
  const info = new ProgramInfo(guest.program);
  const environment = machine.cpus.map((vcpu) => new VcpuEnvironment(machine, vcpu, info));
  const at = (vcpu: number) => environment[vcpu] as VcpuEnvironment;
  const conditions = new Conditions(at, (name, here) => info.resolve(name, here), machine.memory.wasm);
  const breakpoints = new Breakpoints(machine, { conditions, environment: at, note: () => {} });
  set(breakpoints, linear(guest.symbol('again')));
  return machine;
};
