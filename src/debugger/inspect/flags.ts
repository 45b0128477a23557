/** The flags, one by one. */

import type { RegisterBits } from '../../x86/control-registers';
import type { Item } from '../item';
import { fixedBits, flags } from '../registers';
import { bitField } from './decode';
import type { Subject } from './scope';

/** Intel SDM vol. 1, "EFLAGS Register". */
const meanings: Readonly<Record<string, string>> = {
  CF: 'carry',
  PF: 'parity',
  AF: 'auxiliary carry',
  ZF: 'zero',
  SF: 'sign',
  TF: 'trap',
  IF: 'interrupt enable',
  DF: 'direction',
  OF: 'overflow',
  IOPL: 'I/O privilege level',
  NT: 'nested task',
  RF: 'resume',
  VM: 'virtual-8086 mode',
  AC: 'alignment check',
  VIF: 'virtual interrupt',
  VIP: 'virtual interrupt pending',
  ID: 'identification',
};

export const flagBitsByName: RegisterBits = Object.fromEntries(
  flags.map(({ name, bit, width }) => [name, { bit, width, meaning: meanings[name] ?? '' }]),
);

export const flagItems = ({ vcpu: { state } }: Subject): Item[] => {
  const value = BigInt(state.rflags);
  return flags.map(({ name, bit, width }) => ({
    name: name.toLowerCase(),
    bits: bitField(value, bit, width),
    width,
    expression: name.toLowerCase(),
    ...(fixedBits.has(name.toLowerCase()) ? {} : { settable: true }),
    type: meanings[name] ?? '',
  }));
};
