/**
 * Intel SDM vol. 1, "Segment Register Instructions", as far as they load no descriptor: storing selectors, and the bases
 * of FS and GS in 64-bit mode.
 */

import type { Definition } from '../definition';
import { c64, type Emitter, type SegmentNumber } from '../emitter';
import { i64 } from '../wasm';

const UNDEFINED_OPCODE = 6;
const GENERAL_PROTECTION = 13;
const FSGSBASE = 1 << 16;
const FS = 4;
const GS = 5;

/** To a register of 32 or 64 bits the selector is zero-extended; memory gets 16 bits whatever the operand size. */
const storeSelector: Definition = {
  name: 'mov.sreg',
  forms: ['r,i', 'm,i'],
  sizes: [16, 32, 64],
  first: 'write',
  emit: (e) => {
    const selector = e.selector(e.immediate());
    if (!e.isMemory(0)) return e.write(0, selector);
    const address = e.address();
    e.probe(address, 16);
    e.store(address, 16, selector);
  },
};

const checkEnabled = (e: Emitter): void =>
  e.if(i64.eqz(i64.and(e.control('cr4'), c64(FSGSBASE))), () => e.fault(UNDEFINED_OPCODE, 'fsgsbase.enabled'));

const baseAccess = (name: string, segment: SegmentNumber): Definition[] => [
  {
    name: `rd${name}base`,
    feature: 'FSGSBASE',
    forms: ['r'],
    sizes: [32, 64],
    first: 'write',
    emit: (e) => {
      checkEnabled(e);
      e.write(0, e.segmentBase(segment));
    },
  },
  {
    name: `wr${name}base`,
    feature: 'FSGSBASE',
    forms: ['r'],
    sizes: [32, 64],
    first: 'read',
    emit: (e) => {
      checkEnabled(e);
      const base = e.read(0);
      if (e.size === 64)
        e.if(i64.ne(i64.shrS(i64.shl(base, c64(16)), c64(16)), base), () =>
          e.fault(GENERAL_PROTECTION, 'linear.canonical', 0),
        );
      e.setSegmentBase(segment, base);
    },
  },
];

const swapgs: Definition = {
  name: 'swapgs',
  forms: [''],
  sizes: [64],
  first: 'none',
  emit: (e) => {
    e.if(i64.ne(e.cpl(), c64(0)), () => e.fault(GENERAL_PROTECTION, 'privileged.cpl-0', 0));
    const base = e.segmentBase(GS);
    e.setSegmentBase(GS, e.kernelGsBase());
    e.setKernelGsBase(base);
  },
};

export const segmentRegister: readonly Definition[] = [
  storeSelector,
  ...baseAccess('fs', FS),
  ...baseAccess('gs', GS),
  swapgs,
];
