/** Control and debug registers and MSRs, with their bits. */

import { listMsrs } from '../../machine/cpu/msrs';
import { pagingMode } from '../../machine/cpu/page-walk';
import { hex } from '../../x86/address';
import { msrBits } from '../../x86/msr-bits';
import type { Item } from '../item';
import { decodedRegisters } from '../registers';
import { bitItems, bitNames } from './decode';
import type { Subject } from './scope';

const settable = (name: string, bits: bigint): Item => ({ name, bits, size: 8, expression: name, settable: true });

const address = (name: string, bits: bigint): Item => ({
  ...settable(name, bits),
  memory: { space: 'linear', address: bits },
});

const decoded = (name: string, bits: bigint): Item => {
  const rows = decodedRegisters[name] ?? {};
  return { ...settable(name, bits), meaning: bitNames(bits, rows), children: () => bitItems(name, bits, rows) };
};

export const controlItems = ({ vcpu: { state, cpu } }: Subject): Item[] => {
  const directory = state.cr3 & 0x000f_ffff_ffff_f000n;
  return [
    decoded('cr0', state.cr0),
    address('cr2', state.cr2),
    {
      ...settable('cr3', state.cr3),
      meaning: pagingMode(state) === 'none' ? 'paging off' : `tables at ${hex(directory)}`,
      memory: { space: 'phys', address: directory },
    },
    decoded('cr4', state.cr4),
    { ...settable('cr8', BigInt(cpu.surroundings.apic.taskPriority())), width: 4 },
    decoded('efer', state.efer),
    ...[0, 1, 2, 3].map((n) => address(`dr${n}`, state.dr(n))),
    decoded('dr6', state.dr(6)),
    decoded('dr7', state.dr(7)),
    ...listMsrs(cpu).map(({ name, address, value, meaning, readOnly }): Item => {
      const rows = msrBits[name];
      const decodedBits = rows === undefined ? '' : bitNames(value, rows);
      return {
        name: name.toLowerCase(),
        bits: value,
        size: 8,
        meaning: `${decodedBits === '' ? '' : `${decodedBits}: `}${meaning} (${hex(address)})`,
        expression: `msr[${hex(address)}]`,
        ...(readOnly ? {} : { settable: true }),
        ...(rows === undefined ? {} : { children: () => bitItems(name.toLowerCase(), value, rows) }),
      };
    }),
  ];
};
