/** General registers, the instruction pointer and the flags as one number, with the symbols that they point at. */

import type { CpuState } from '../../machine/core/state';
import { linear } from '../../x86/address';
import { gprNames64 } from '../../x86/registers';
import type { Item } from '../item';
import { partNames, registerPlaces } from '../registers';
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
    ...gprNames64.map((name, index) => ({
      ...pointer(name, state.gpr(index)),
      children: () => partItems(state, name),
    })),
    { ...pointer('rip', state.rip), code: codeAddress(state, state.rip) },
    flagsItem(state),
  ];
};

/** The narrower names; writing `eax` clears the upper half, as the processor does. */
const partItems = (state: CpuState, name: string): Item[] => {
  const places = registerPlaces(state, () => 0);
  return partNames(name).flatMap((part): Item[] => {
    const place = places.get(part);
    return place === undefined
      ? []
      : [{ name: part, bits: place.read(), size: place.size, expression: part, settable: true }];
  });
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
