/** General registers, the instruction pointer and the flags as one number, with the symbols that they point at. */

import type { CpuState } from '../../machine/core/state';
import { linear } from '../../x86/address';
import { gprNames64 } from '../../x86/registers';
import type { Item } from '../item';
import { partNames, registerPlaces } from '../registers';
import { codeAddress, stackAddress } from '../vcpu-view';
import { bitNames } from './decode';
import { flagBitsByName } from './flags';
import type { Subject } from './scope';

export const registerItems = ({ vcpu: { state }, info }: Subject): Item[] => {
  /** @param at where it points to, which segments may move */
  const pointer = (name: string, bits: bigint, at = linear(bits)): Item => {
    const meaning = info.nameOf(at);
    return {
      name,
      bits,
      size: 8,
      expression: name,
      settable: true,
      memory: { space: 'linear', address: at },
      ...(info.lines.at(at) === null ? {} : { code: at }),
      ...(meaning === undefined ? {} : { meaning }),
    };
  };
  const code = codeAddress(state, state.rip);
  const inStack = (name: string) => name === 'rsp' || name === 'rbp';
  return [
    ...gprNames64.map((name, index) => ({
      ...pointer(name, state.gpr(index), inStack(name) ? stackAddress(state, state.gpr(index)) : undefined),
      children: () => partItems(state, name),
    })),
    { ...pointer('rip', state.rip, code), code },
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
