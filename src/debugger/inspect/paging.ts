/** Paging: the walks of the addresses that matter, and the whole space. */

import { state as layout } from '../../machine/core/layout';
import { peekGuestPhysical } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import { hex, type LinearAddress, linear } from '../../x86/address';
import { type Item, lazyItem } from '../item';
import { codeAddress, currentAddress, stackAddress, stackPointer } from '../vcpu-view';
import { recollectionOf } from './recollection';
import type { Subject } from './scope';
import { mappedText, spaceItems } from './space';
import { walkItems, walkText } from './walk';

const modes = {
  none: 'off: linear addresses are physical ones, or guest-physical under EPT',
  '32-bit': '32-bit paging, two levels',
  pae: 'PAE paging, three levels',
  '4-level': '4-level paging',
} as const;

export const pagingItems = (subject: Subject): Item[] => {
  const { machine, vcpu } = subject;
  const { state, cpu } = vcpu;
  const mode = pagingMode(state);
  const walk = (name: string, address: LinearAddress): Item => ({
    name,
    bits: address,
    size: 8,
    meaning: walkText(cpu, address),
    memory: { space: 'linear', address },
    children: () => walkItems(cpu, address),
  });
  return [
    { name: 'mode', meaning: modes[mode] },
    walk('rip', currentAddress(vcpu)),
    walk('rsp', stackAddress(state, stackPointer(state))),
    walk('cr2', linear(state.cr2)),
    ...recollectionOf(machine).walks.map((address) => walk(hex(address), linear(address))),
    ...(mode === 'pae' ? pdpteItems(subject) : []),
    ...eptItem(cpu.paging.eptPointer),
    ...(mode === 'none'
      ? []
      : [
          { name: 'space', meaning: 'all that is mapped', children: () => spaceItems(cpu) },
          lazyItem('mapped', () => mappedText(cpu)),
        ]),
    ...guestItems(subject),
  ];
};

const eptItem = (pointer: bigint | undefined): Item[] =>
  pointer === undefined
    ? []
    : [{ name: 'EPT', bits: pointer, size: 8, meaning: `root table at ${hex(pointer & 0xf_ffff_ffff_f000n)}` }];

/** The space of the guest whose hypervisor runs. */
const guestItems = ({ vcpu: { cpu } }: Subject): Item[] => {
  const view = cpu.vmx?.guestSide;
  if (view === undefined) return [];
  const { state } = view;
  const walk = (name: string, address: LinearAddress): Item => ({
    name,
    bits: address,
    size: 8,
    meaning: walkText(cpu, address, view),
    memory: { space: 'guest', address },
    children: () => walkItems(cpu, address, undefined, view),
  });
  return [
    {
      name: 'guest',
      meaning: modes[pagingMode(state)],
      children: () => [
        walk('rip', codeAddress(state, state.rip)),
        walk('rsp', stackAddress(state, stackPointer(state))),
        { name: 'cr3', bits: state.cr3, size: 8 },
        ...eptItem(view.eptPointer),
        ...(pagingMode(state) === 'none'
          ? []
          : [{ name: 'space', meaning: 'all that its tables map', children: () => spaceItems(cpu, 0, view) }]),
      ],
    },
  ];
};

/** Intel SDM vol. 3, "PDPTE Registers": loaded by MOV to CR3, whatever the table says afterwards. */
const pdpteItems = ({ machine, vcpu: { state, cpu } }: Subject): Item[] =>
  [0, 1, 2, 3].map((n): Item => {
    const bits = state.getU64(layout.pdpte + n * 8);
    const address = (state.cr3 & 0xffff_ffe0n) + BigInt(n * 8);
    const physical = peekGuestPhysical(cpu, Number(address));
    const now = physical === undefined ? bits : machine.physical.peek(physical, 8);
    return {
      name: `pdpte${n}`,
      bits,
      size: 8,
      memory: { space: 'gpa', address },
      ...(now === bits ? {} : { meaning: `the table now has ${hex(now)}`, mark: 'differs' }),
    };
  });
