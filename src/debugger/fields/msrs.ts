/** Bits of model-specific registers by name: `ia32_apic_base.en`, `ia32_star.syscall_cs`. */

import { hasMsr, readMsr } from '../../machine/cpu/msrs';
import type { RegisterBits } from '../../x86/control-registers';
import { msrBits } from '../../x86/msr-bits';
import { msrs } from '../../x86/msrs';
import { type FieldFamily, type Owner, partOf } from './field';

const byHead: ReadonlyMap<string, string> = new Map(Object.keys(msrBits).map((name) => [name.toLowerCase(), name]));

const addressOf = (owner: Owner, head: string): number | undefined => {
  const address = msrs[byHead.get(head) ?? '']?.address;
  return address !== undefined && hasMsr(owner.vcpu.cpu, address) ? address : undefined;
};

const bitsOf = (head: string): RegisterBits => msrBits[byHead.get(head) ?? ''] ?? {};

export const msrFields: FieldFamily = {
  heads: () => [...byHead.keys()],
  names: (owner, head) =>
    addressOf(owner, head) === undefined ? [] : Object.keys(bitsOf(head)).map((bit) => `${head}.${bit.toLowerCase()}`),
  find: (owner, head, [part]) => {
    const { machine, vcpu } = owner;
    const address = addressOf(owner, head);
    const row = Object.entries(bitsOf(head)).find(([name]) => name.toLowerCase() === part)?.[1];
    if (address === undefined || row === undefined) return undefined;
    const whole = {
      width: 64,
      read: () => readMsr(vcpu.cpu, address),
      write: (value: bigint) => machine.input({ kind: 'register', vcpu: vcpu.index, name: head, value }),
    };
    return partOf(whole, [[row.bit, row.width ?? 1]]);
  },
};
