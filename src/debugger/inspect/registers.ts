/** General registers, the instruction pointer and the flags as one number, with the symbols that they point at. */

import type { CpuState } from '../../machine/core/state';
import { linear } from '../../x86/address';
import { gprNames64 } from '../../x86/registers';
import type { Item } from '../item';
import { codeAddress } from '../vcpu-view';
import { bitNames } from './decode';
import { flagBitsByName } from './flags';
import type { Subject } from './scope';

export const registerItems = ({ vcpu: { state }, info }: Subject): Item[] => {
  const pointer = (name: string, bits: bigint): Item => {
    const meaning = info.nameOf(linear(bits));
    return {
      name,
      bits,
      size: 8,
      expression: name,
      settable: true,
      memory: { space: 'linear', address: bits },
      ...(meaning === undefined ? {} : { meaning }),
    };
  };
  return [
    ...gprNames64.map((name, index) => pointer(name, state.gpr(index))),
    { ...pointer('rip', state.rip), code: codeAddress(state, state.rip) },
    flagsItem(state),
  ];
};

const flagsItem = (state: CpuState): Item => {
  const bits = BigInt(state.rflags);
  return {
    name: 'rflags',
    bits,
    size: 8,
    meaning: bitNames(bits, flagBitsByName),
    expression: 'rflags',
    settable: true,
  };
};
