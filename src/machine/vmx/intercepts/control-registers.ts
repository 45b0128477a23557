/**
 * MOV to and from control and debug registers, CLTS, LMSW: by masks and read shadows. Intel SDM vol. 3, "Instructions That
 * Cause VM Exits Conditionally", and "Exit Qualification for Control-Register Accesses".
 */

import { Mnemonic, OpKind, Register } from 'iced-x86';
import { CR0 } from '../../../x86/control-registers';
import { readOperand, readRegister } from '../../cpu/operands';
import { requireCpl0 } from '../../cpu/privilege';
import type { ExitCause } from '../../cpu/virtualization';
import { control } from '../control-bits';
import { registerNumber } from '../instruction-information';
import type { Vmx } from '../vmx';
import { exitOf, type Intercept } from './intercept';

/** Kinds of access in bits 5:4 of the qualification. */
const access = { to: 0, from: 1, clts: 2, lmsw: 3 } as const;

const qualification = (register: number, kind: number, general: number): bigint =>
  BigInt(register | (kind << 4) | (general << 8));

const lowestBit = (value: bigint): number => {
  let bit = 0;
  for (let rest = value; !(rest & 1n); rest >>= 1n) bit++;
  return bit;
};

/** A write to a bit that the hypervisor owns, with another value than the guest was shown. */
const masked = (vmx: Vmx, register: 0 | 4, value: bigint): ExitCause | undefined => {
  const { current } = vmx;
  const mask = current?.get(`CR${register}_GUEST_HOST_MASK`) ?? 0n;
  const shadow = current?.get(`CR${register}_READ_SHADOW`) ?? 0n;
  const differing = (value ^ shadow) & mask;
  if (differing === 0n) return undefined;
  return { rule: `cr${register}.mask`, field: `CR${register}_GUEST_HOST_MASK`, bit: lowestBit(differing), value };
};

/** CR3 may be loaded with a value of the target list. */
const targets = ['CR3_TARGET_VALUE0', 'CR3_TARGET_VALUE1', 'CR3_TARGET_VALUE2', 'CR3_TARGET_VALUE3'] as const;
const isTarget = (vmx: Vmx, value: bigint): boolean => {
  const count = vmx.current?.get32('CR3_TARGET_COUNT') ?? 0;
  return targets.slice(0, count).some((name) => vmx.current?.get(name) === value);
};

const writes: Readonly<Record<number, (vmx: Vmx, value: bigint) => ExitCause | undefined>> = {
  0: (vmx, value) => masked(vmx, 0, value),
  3: (vmx, value) =>
    vmx.controls.primary & control.cr3Load && !isTarget(vmx, value)
      ? { rule: 'cr3.load', control: 'primary.cr3-load-exiting', field: 'CR3_TARGET_COUNT', value }
      : undefined,
  4: (vmx, value) => masked(vmx, 4, value),
  8: (vmx) =>
    vmx.controls.primary & control.cr8Load ? { rule: 'cr8.load', control: 'primary.cr8-load-exiting' } : undefined,
};

const reads: Readonly<Record<number, { readonly bit: number; readonly cause: ExitCause }>> = {
  3: { bit: control.cr3Store, cause: { rule: 'cr3.store', control: 'primary.cr3-store-exiting' } },
  8: { bit: control.cr8Store, cause: { rule: 'cr8.store', control: 'primary.cr8-store-exiting' } },
};

const isControl = (register: Register): boolean => register >= Register.CR0 && register <= Register.CR15;
const isDebug = (register: Register): boolean => register >= Register.DR0 && register <= Register.DR15;

const mov: Intercept = (vmx, instruction) => {
  const { op0Register: to, op1Register: from } = instruction;
  if (instruction.op0Kind !== OpKind.Register || instruction.op1Kind !== OpKind.Register) return undefined;
  if (isControl(to)) {
    const register = to - Register.CR0;
    const decide = writes[register];
    if (decide === undefined) return undefined;
    requireCpl0(vmx.cpu, 'mov');
    const cause = decide(vmx, readRegister(vmx.cpu, from));
    if (cause === undefined) return undefined;
    return exitOf('CR_ACCESS', cause, instruction, {
      qualification: qualification(register, access.to, registerNumber(from)),
    });
  }
  if (isControl(from)) {
    const register = from - Register.CR0;
    const row = reads[register];
    if (row === undefined) return undefined;
    requireCpl0(vmx.cpu, 'mov');
    if (!(vmx.controls.primary & row.bit)) return undefined;
    return exitOf('CR_ACCESS', row.cause, instruction, {
      qualification: qualification(register, access.from, registerNumber(to)),
    });
  }
  if (isDebug(to) || isDebug(from)) return debugRegister(vmx, instruction);
  return undefined;
};

/** Unlike others, this exit comes before the #GP of the privilege level and the #UD of DR4 and DR5. */
const debugRegister: Intercept = (vmx, instruction) => {
  if (!(vmx.controls.primary & control.movDr)) return undefined;
  const { op0Register: to, op1Register: from } = instruction;
  const writing = isDebug(to);
  const register = (writing ? to : from) - Register.DR0;
  const general = registerNumber(writing ? from : to);
  if (register > 7) return undefined;
  return exitOf('DR_ACCESS', { rule: 'dr.access', control: 'primary.mov-dr-exiting' }, instruction, {
    qualification: BigInt(register | (writing ? 0 : 1 << 4) | (general << 8)),
  });
};

/** CLTS exits where the hypervisor owns TS and shows it as 1. */
const clts: Intercept = (vmx, instruction) => {
  requireCpl0(vmx.cpu, 'clts');
  const owned = (vmx.current?.get('CR0_GUEST_HOST_MASK') ?? 0n) & (vmx.current?.get('CR0_READ_SHADOW') ?? 0n);
  if (!(owned & BigInt(CR0.TS))) return undefined;
  const cause: ExitCause = { rule: 'cr0.mask', field: 'CR0_GUEST_HOST_MASK', bit: 3 };
  return exitOf('CR_ACCESS', cause, instruction, { qualification: qualification(0, access.clts, 0) });
};

/** LMSW writes PE (which it cannot clear), MP, EM and TS. */
const lmsw: Intercept = (vmx, instruction) => {
  requireCpl0(vmx.cpu, 'lmsw');
  const source = readOperand(vmx.cpu, instruction, 0, 2) & 0xffffn;
  const mask = (vmx.current?.get('CR0_GUEST_HOST_MASK') ?? 0n) & 0xfn;
  const shadow = vmx.current?.get('CR0_READ_SHADOW') ?? 0n;
  const differing = (source ^ shadow) & mask & 0xen;
  const setsPe = mask & 1n & source & ~shadow;
  if (differing === 0n && setsPe === 0n) return undefined;
  const inMemory = instruction.op0Kind === OpKind.Memory;
  const cause: ExitCause = {
    rule: 'cr0.mask',
    field: 'CR0_GUEST_HOST_MASK',
    bit: lowestBit(differing | setsPe),
    value: source,
  };
  return exitOf('CR_ACCESS', cause, instruction, {
    qualification: qualification(0, access.lmsw, 0) | (inMemory ? 1n << 6n : 0n) | (source << 16n),
    ...(inMemory ? { guestLinear: vmx.flatAddress(instruction) } : {}),
  });
};

export const registerIntercepts: ReadonlyMap<Mnemonic, Intercept> = new Map([
  [Mnemonic.Mov, mov],
  [Mnemonic.Clts, clts],
  [Mnemonic.Lmsw, lmsw],
]);

/** What a guest reads of CR0 or CR4: the shadow's bits where the hypervisor owns them. */
export const shadowed = (vmx: Vmx, register: 0 | 4, value: bigint): bigint => {
  const mask = vmx.current?.get(`CR${register}_GUEST_HOST_MASK`) ?? 0n;
  return (value & ~mask) | ((vmx.current?.get(`CR${register}_READ_SHADOW`) ?? 0n) & mask);
};

/** What a guest's write makes of CR0 or CR4: bits that the hypervisor owns stay. */
export const unowned = (vmx: Vmx, register: 0 | 4, now: bigint, value: bigint): bigint => {
  const mask = vmx.current?.get(`CR${register}_GUEST_HOST_MASK`) ?? 0n;
  return (now & mask) | (value & ~mask);
};
