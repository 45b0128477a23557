/** The short way through a window on memory and the long way by single accesses are the same to a program. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Fault } from '../../src/machine/core/fault';
import { farCall, farReturn } from '../../src/machine/cpu/far-transfer';
import { deliverFault } from '../../src/machine/cpu/interrupt-delivery';
import { iret } from '../../src/machine/cpu/iret';
import { BareProcessor, GDT, gate, type TestMode } from './bare-processor';
import { refusalTests } from './refusals';
import { segmentationRefusals } from './segmentation-refusals';
import { taskRefusals } from './task-refusals';
import { transferRefusals } from './transfer-refusals';

describe('refusals without windows', () => {
  beforeAll(() => {
    BareProcessor.windows = false;
  });
  afterAll(() => {
    BareProcessor.windows = true;
  });
  refusalTests([...segmentationRefusals, ...transferRefusals, ...taskRefusals]);
});

/** State and stacks after each of some transfers, from a stack pointer that may lie anywhere around the end of a page. */
const trace = (mode: TestMode, cpl: number, type: number, pointer: number): unknown[] => {
  const p = new BareProcessor(mode, cpl);
  p.state.rsp = BigInt(pointer);
  p.state.rflags = (mode === 'v86' ? 0x2_3002 : 2) | 0x295;
  const handler = p.long ? GDT.code64 : GDT.code0;
  p.vector(13, gate(type, handler, 0x6000));
  if (mode === 'real') p.poke(13 * 4, 4, 0x600_0000n);
  p.poke(0x4004, p.long ? 8 : 4, BigInt(pointer + 0x1000));
  p.define(GDT.free, gate(12, handler, 0x6000, { dpl: 3, extra: 3 }), 0n);
  const size = p.long ? 8 : type & 8 && mode !== 'real' ? 4 : 2;
  const seen: unknown[] = [];
  const look = () => seen.push(p.snapshot(), p.words(0x7f80, 8, 32), p.words(0x8f80, 8, 32));
  deliverFault(p.cpu, new Fault(13, { rule: 'gate.dpl' }, 0x18));
  look();
  p.state.rsp += BigInt(mode === 'real' ? 0 : size);
  iret(p.cpu, size, 0n);
  look();
  if (mode === 'real' || mode === 'v86') return seen;
  farCall(p.cpu, GDT.free | 3, 0n, 4, 0x1234n);
  look();
  farReturn(p.cpu, p.long ? 8 : 4, p.long ? 0 : 12);
  look();
  return seen;
};

const cases = (
  [
    ['real', 0, 14],
    ['v86', 3, 14],
    ['protected', 0, 14],
    ['protected', 3, 15],
    ['protected', 3, 6],
    ['compatibility', 3, 14],
    ['long', 0, 14],
    ['long', 3, 15],
  ] as const
).flatMap(([mode, cpl, type]) => [0, 1, 4, 6, 12, 24, 40].map((distance) => [mode, cpl, type, distance] as const));

test.each(cases)('%s mode, CPL %i, gate type %i, stack %i bytes above a page', (mode, cpl, type, distance) => {
  BareProcessor.windows = false;
  const slow = trace(mode, cpl, type, 0x8000 + distance);
  BareProcessor.windows = true;
  expect(trace(mode, cpl, type, 0x8000 + distance)).toEqual(slow);
});
