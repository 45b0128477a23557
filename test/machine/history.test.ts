import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble, Guest } from '../guest';
import { randomLines, randomProgram } from './random-guest';

const make = (text: readonly string[]) => new Guest(assemble(randomProgram(text)));
const step = fc.integer({ min: 1, max: 12_000 });

describe('a run is repeatable', () => {
  test('two runs from the start are the same', () => {
    fc.assert(
      fc.property(randomLines, step, (text, steps) => {
        const [a, b] = [make(text), make(text)];
        a.run(steps);
        b.run(steps);
        expect(b.machine.stateHash()).toBe(a.machine.stateHash());
      }),
      { numRuns: 8 },
    );
  });

  test('slices change nothing, and runTo stops at the exact step', () => {
    fc.assert(
      fc.property(
        randomLines,
        fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 3, maxLength: 15 }),
        (text, slices) => {
          const [a, b] = [make(text), make(text)];
          let total = 0;
          for (const slice of slices) {
            total += slice;
            a.machine.runTo(total);
            expect(a.machine.counters.step).toBe(total);
          }
          b.run(total);
          expect(a.machine.counters).toEqual(b.machine.counters);
          expect(a.machine.stateHash()).toBe(b.machine.stateHash());
        },
      ),
      { numRuns: 8 },
    );
  });

  test('single steps reach the same state as running', () => {
    fc.assert(
      fc.property(randomLines, fc.integer({ min: 1, max: 3000 }), (text, steps) => {
        const [a, b] = [make(text), make(text)];
        for (let n = 0; n < steps; n++) a.machine.singleStep();
        b.run(steps);
        expect(a.machine.stateHash()).toBe(b.machine.stateHash());
      }),
      { numRuns: 6 },
    );
  });

  test('after a snapshot is restored the same future follows, inputs included', () => {
    fc.assert(
      fc.property(randomLines, step, step, (text, before, after) => {
        const { machine } = make(text);
        machine.run(before);
        const snapshot = machine.snapshot();
        const there = machine.stateHash();
        machine.run(Math.ceil(after / 2));
        machine.input({ kind: 'serial', bytes: [1, 2, 3] });
        machine.input({ kind: 'register', vcpu: 0, name: 'rdx', value: 0x1234n });
        machine.run(after);
        const hash = machine.stateHash();
        const end = machine.counters.step;
        machine.restore(snapshot);
        expect(machine.stateHash()).toBe(there);
        machine.runTo(end);
        expect(machine.stateHash()).toBe(hash);
      }),
      { numRuns: 8 },
    );
  });

  test('dropping everything derived at random changes nothing', () => {
    fc.assert(
      fc.property(
        randomLines,
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 5, maxLength: 20 }),
        (text, slices) => {
          const [a, b] = [make(text), make(text)];
          let total = 0;
          for (const [n, slice] of slices.entries()) {
            total += slice;
            a.machine.runTo(total);
            if (n % 3 !== 0) a.machine.cpus[0]?.engine.translationsDropped();
            if (n % 3 === 2) a.machine.cpus[0]?.engine.code.dropAll();
          }
          b.run(total);
          expect(a.machine.stateHash()).toBe(b.machine.stateHash());
        },
      ),
      { numRuns: 8 },
    );
  });
});

test('a snapshot costs what changed', () => {
  const guest = make(['mov [r8+8], rax']);
  guest.run(20_000);
  guest.machine.snapshot();
  guest.run(20_000);
  const { memory } = guest.machine.snapshot();
  // The page of the data, the one beyond it with the counter, the ticks, the stack.
  expect(memory.pages.size).toBeLessThanOrEqual(4);
});

test('any snapshot can be restored from any other', () => {
  const { machine } = make(['mov [r8+8], rax', 'add rax, rbx', 'mov [patch0+1], al', 'patchable']);
  const taken = [0, 1, 2, 3].map(() => {
    machine.run(5000);
    return { snapshot: machine.snapshot(), hash: machine.stateHash() };
  });
  for (const n of [3, 0, 2, 1, 3, 1, 0]) {
    machine.restore(taken[n]!.snapshot);
    expect(machine.stateHash()).toBe(taken[n]!.hash);
    machine.run(777);
  }
});
