/**
 * The memory that an instruction of a guest touches, and what is in its way: the guest's own tables, whose page fault may exit,
 * or EPT; or in nobody's way, because a cached translation is used.
 */

import { type Instruction, InstructionInfoFactory, OpAccess, Register, type UsedMemory } from 'iced-x86';
import type { Exit } from '../../machine/core/exit';
import { Fault } from '../../machine/core/fault';
import { access as kinds } from '../../machine/core/layout';
import type { Cpu } from '../../machine/cpu/cpu';
import { type AddressView, explainEpt, judgeAccess, judgeByEpt, peekGuestTranslation } from '../../machine/cpu/look';
import { readRegister, segmentLinear } from '../../machine/cpu/operands';
import type { AccessKind } from '../../machine/cpu/paging';
import { accessor } from '../../machine/cpu/paging';
import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { exception } from '../../x86/exceptions';
import type { PagingRule } from '../../x86/rules/paging';
import type { Item } from '../item';
import { memoryTypeText, typeDispute } from '../memory-types';
import { eptRightsText } from '../translation-rights';
import { cachedFor, type Touched } from './cached';
import { controlText } from './control-words';
import { exitText } from './explain-exit';

/** What it may do, by iced's words; a read that is written back is a write. */
const kindOf: Partial<Record<OpAccess, Touched['kind']>> = {
  [OpAccess.Read]: 'read',
  [OpAccess.CondRead]: 'read',
  [OpAccess.Write]: 'write',
  [OpAccess.CondWrite]: 'write',
  [OpAccess.ReadWrite]: 'write',
  [OpAccess.ReadCondWrite]: 'write',
};

const RELATIVE: ReadonlySet<Register> = new Set([Register.RIP, Register.EIP]);

const addressOf = (cpu: Cpu, memory: UsedMemory): bigint => {
  const { segment, base, index, scale, displacement } = memory;
  const sum =
    (RELATIVE.has(base) ? 0n : readRegister(cpu, base)) + readRegister(cpu, index) * BigInt(scale) + displacement;
  const narrow = base >= Register.EAX && base <= Register.R15D ? 32 : 64;
  return segmentLinear(cpu, segment - Register.ES, BigInt.asUintN(narrow, sum));
};

let factory: InstructionInfoFactory | undefined;

/** Its own fetch first, then its operands, named and implicit. */
export const touchedBy = (cpu: Cpu, instruction: Instruction, at: bigint): Touched[] => {
  factory ??= new InstructionInfoFactory();
  const info = factory.info(instruction);
  const memories: UsedMemory[] = info.usedMemory();
  try {
    const operands = memories.flatMap((memory): Touched[] => {
      const kind = kindOf[memory.access];
      return kind === undefined ? [] : [{ kind, linear: addressOf(cpu, memory) }];
    });
    return [{ kind: 'execute', linear: at }, ...operands];
  } finally {
    for (const memory of memories) memory.free();
    info.free();
  }
};

/** What the tables as they are now have against an access: an exception of the guest, or an exit. */
const refusedByTables = (
  cpu: Cpu,
  { kind, linear }: Touched,
  view: AddressView,
  user: boolean,
): Fault | Exit | undefined => {
  const who = user ? accessor.user : accessor.supervisor;
  const number = kinds[kind] as AccessKind;
  const why = judgeAccess(cpu, linear, number, who, view);
  if (why === undefined) return judgeByEpt(cpu, linear, kind, view);
  if (!why.rule.startsWith('walk.')) return new Fault(exception.GP, why, 0);
  return new Fault(exception.PF, why, cpu.paging.errorCode(why.rule as PagingRule, number, who), linear);
};

/** Rules that look at the registers too, which no cached translation knows. */
const BY_REGISTERS: ReadonlySet<string> = new Set(['walk.smep', 'walk.smap', 'linear.canonical']);

/** What refuses an access; where a cached translation lets it pass the tables are not asked. */
export const accessRefusal = (
  cpu: Cpu,
  touched: Touched,
  view: AddressView,
  user = view.state.cpl === 3,
): Fault | Exit | undefined => {
  const refusal = refusedByTables(cpu, touched, view, user);
  if (refusal === undefined || (refusal instanceof Fault && BY_REGISTERS.has(refusal.why.rule))) return refusal;
  return cachedFor(cpu, touched, view) === undefined ? refusal : undefined;
};

const names = { read: 'read', write: 'write', execute: 'fetch' } as const;

const byTables = (cpu: Cpu, { linear }: Touched, view: AddressView): { text: string; physical: bigint | undefined } => {
  const guest = peekGuestTranslation(cpu, linear, view);
  const look = guest === undefined ? undefined : explainEpt(cpu, BigInt(guest), view);
  const entry = look?.entries.at(-1);
  if (look === undefined || entry === undefined) return { text: '', physical: undefined };
  const { leaf } = look;
  const where = ` at guest-physical ${hex(look.guest)}: ${entry.level} ${hex(entry.entry)} at ${hex(entry.address)} allows ${eptRightsText(look.rights)}`;
  if (leaf === undefined) return { text: where, physical: undefined };
  const first = Number(leaf.physical) - (Number(leaf.physical) % leaf.size);
  const type = `${memoryTypeText(leaf.memoryType)}${typeDispute(cpu, first, leaf.size, leaf.memoryType)}`;
  return { text: `${where}, ${type}`, physical: leaf.physical };
};

/** `read of 0x400000 at guest-physical 0x400000: EPT PTE 0x400037 at 0x303000 allows rwx, WB`, and what is cached instead. */
export const allowedText = (cpu: Cpu, touched: Touched, view: AddressView): string => {
  const { text, physical } = byTables(cpu, touched, view);
  const cached = cachedFor(cpu, touched, view);
  const said = `${names[touched.kind]} of ${hex(touched.linear)}${text}`;
  if (cached === undefined || cached.physical === physical) return said;
  return `${said}, but the cached translation to physical ${hex(cached.physical)} is used until ${cached.dropped} drops it`;
};

/** Why EPT lets all of it pass. */
export const eptItem = (vmx: Vmx, touched: readonly Touched[], view: AddressView): Item => {
  if (view.eptPointer === undefined)
    return { name: 'EPT', meaning: `no exit: ${controlText('secondary.enable-ept', 0)}: no access is asked for` };
  const { cpu } = vmx;
  return {
    name: 'EPT',
    meaning: `${controlText('secondary.enable-ept', 1)}; of each access of the instruction, what its entry allows`,
    children: () =>
      touched.map((one, n) => {
        const refused = accessRefusal(cpu, one, view);
        const where = `${names[one.kind]} of ${hex(one.linear)}`;
        const meaning =
          refused === undefined
            ? `no exit: ${allowedText(cpu, one, view)}`
            : refused instanceof Fault
              ? `${where}: the guest's own tables refuse it before`
              : `it exits: ${where}: ${exitText(refused, vmx.current)}`;
        return { name: `${n + 1}. ${names[one.kind]}`, meaning };
      }),
  };
};
