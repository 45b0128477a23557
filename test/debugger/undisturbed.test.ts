/** Breakpoints and watches that do not stop leave no trace: steps, time and state are the same without them. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Breakpoints } from '../../src/debugger/breakpoints';
import { Conditions } from '../../src/debugger/conditions';
import { VcpuEnvironment } from '../../src/debugger/environment';
import { ProgramInfo } from '../../src/debugger/program-info';
import { linear } from '../../src/x86/address';
import { boot, type Guest } from '../guest';
import { randomLines, randomProgram } from '../machine/random-guest';

const breakpointsOn = ({ machine, program }: Guest): Breakpoints => {
  const info = new ProgramInfo(program);
  const environments = machine.cpus.map((vcpu) => new VcpuEnvironment(machine, vcpu, info));
  const environment = (vcpu: number) => environments[vcpu] as VcpuEnvironment;
  const conditions = new Conditions(environment, (name, here) => info.resolve(name, here), machine.memory.wasm);
  return new Breakpoints(machine, { conditions, environment, note: (text) => expect(text).toBe('') });
};

const conditions = [
  { condition: 'rax != rax' },
  { hitCondition: '== 4000000000' },
  { condition: '[r8]:u32 == 1 && !([r8]:u32 == 1)', hitCondition: '% 4000000000' },
  { condition: 'cr8 == 77' },
  { condition: 'step == 0 && retired == 1' },
];

test('in slices and in single steps', () => {
  fc.assert(
    fc.property(
      randomLines,
      fc.array(fc.tuple(fc.nat({ max: 0x1ff }), fc.constantFrom(...conditions)), { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }), fc.constant(5000)), {
        minLength: 20,
        maxLength: 60,
      }),
      fc.boolean(),
      (lines, places, slices, physical) => {
        const source = randomProgram(lines);
        const [free, watched] = [boot(source), boot(source)];
        const breakpoints = breakpointsOn(watched);
        for (const [offset, options] of places) {
          const address = 0x10_0000n + BigInt(offset);
          breakpoints.add([physical ? { space: 'phys', address } : linear(address)], options);
        }
        breakpoints.watch(0x20_0000n, 8, 'change', { condition: 'old == new' });
        breakpoints.watch({ space: 'phys', address: 0x20_0040n }, 16, 'both', { hitCondition: '== 4000000000' });
        breakpoints.watchRegister('cr3');
        for (const steps of slices) {
          const [first, second] = [free, watched].map(({ machine }) => [machine.run(steps), machine.counters]);
          expect(second).toEqual(first);
        }
        expect(watched.machine.stateHash()).toBe(free.machine.stateHash());
      },
    ),
    { numRuns: 12 },
  );
});
