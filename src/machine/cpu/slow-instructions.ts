/**
 * The instructions that have no handler in the core, by mnemonic: privileged ones, far transfers, ports. Each row says
 * what to do with the operands; those that transfer control set RIP themselves.
 */

import {
  Code,
  CpuidFeature,
  Decoder,
  DecoderError,
  DecoderOptions,
  type Instruction,
  Mnemonic,
  OpKind,
  Register,
} from 'iced-x86';
import { CR0 } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { access, state as layout } from '../core/layout';
import { CS, DS, SS } from '../core/state';
import { byNumber } from './by-number';
import { type ControlRegister, clts, lmsw, readControlRegister, smsw, writeControlRegister } from './control-registers';
import type { Cpu } from './cpu';
import { cpuid } from './cpuid';
import { readDebugRegister, writeDebugRegister } from './debug-registers';
import { farCall, farJump, farReturn } from './far-transfer';
import { softwareInterrupt } from './interrupt-delivery';
import { iret } from './iret';
import { LONG, modeOf } from './mode';
import {
  memoryAddress,
  memoryOffset,
  operandBytes,
  readOperand,
  readRegister,
  registerBytes,
  segmentAddress,
  writeOperand,
  writeRegister,
} from './operands';
import { inputOutput, stringPort } from './ports';
import { arpl, lar, lsl, verr, verw } from './protection-queries';
import { refuse } from './refusal';
import { type DataSegment, loadSegment } from './segment-load';
import { currentStack } from './stack';
import { syscall, sysret } from './syscall';
import { sysenter, sysexit } from './sysenter';
import * as system from './system-instructions';
import { lldt, ltr, sldt, str } from './system-segments';

type Row = (cpu: Cpu, instruction: Instruction, nextRip: bigint) => void;

/** Operand size that an instruction without operands has in this mode. */
const modeBytes = (cpu: Cpu): 2 | 4 | 8 => {
  const mode = modeOf(cpu.state);
  if (mode === LONG) return 8;
  return cpu.state.segmentAccess(1) & (1 << 14) ? 4 : 2;
};

/** Selector and offset of a far pointer, in the instruction or in memory. */
const farPointer = (cpu: Cpu, instruction: Instruction): { selector: number; offset: bigint; size: 2 | 4 | 8 } => {
  const kind = instruction.op0Kind;
  if (kind === OpKind.FarBranch16)
    return { selector: instruction.farBranchSelector, offset: BigInt(instruction.farBranch16), size: 2 };
  if (kind === OpKind.FarBranch32)
    return { selector: instruction.farBranchSelector, offset: BigInt(instruction.farBranch32), size: 4 };
  const size = operandBytes(instruction, 4);
  return { ...pointerInMemory(cpu, instruction, size), size };
};

const pointerInMemory = (cpu: Cpu, instruction: Instruction, size: 2 | 4 | 8): { selector: number; offset: bigint } => {
  const address = memoryAddress(cpu, instruction, size + 2, false);
  return { offset: cpu.linear.read(address, size), selector: Number(cpu.linear.read(address + BigInt(size), 2)) };
};

const jump: Row = (cpu, instruction, next) => {
  const { selector, offset, size } = farPointer(cpu, instruction);
  farJump(cpu, selector, offset, size, next);
};
const call: Row = (cpu, instruction, next) => {
  const { selector, offset, size } = farPointer(cpu, instruction);
  farCall(cpu, selector, offset, size, next);
};
const farRet: Row = (cpu, instruction) =>
  farReturn(cpu, operandBytes(instruction, modeBytes(cpu)), instruction.opCount > 0 ? instruction.immediate16 : 0);

/** LDS LES LFS LGS LSS: the segment register first, because it may be refused. */
const loadPointer =
  (segment: DataSegment): Row =>
  (cpu, instruction) => {
    const size = registerBytes(instruction.op0Register) as 2 | 4 | 8;
    const { selector, offset } = pointerInMemory(cpu, instruction, size);
    loadSegment(cpu, segment, selector);
    writeRegister(cpu, instruction.op0Register, offset);
  };

/** After a load of SS, interrupts and debug exceptions wait for one instruction. */
const shadow = (cpu: Cpu, segment: number): void => {
  if (segment === SS) cpu.state.setU32(layout.interruptibility, cpu.state.getU32(layout.interruptibility) | 2);
};

const isControl = (register: Register) => register >= Register.CR0 && register <= Register.CR15;
const isDebug = (register: Register) => register >= Register.DR0 && register <= Register.DR15;
const isSegment = (register: Register) => register >= Register.ES && register <= Register.GS;

const mov: Row = (cpu, instruction) => {
  const { op0Register: to, op1Register: from } = instruction;
  if (instruction.op0Kind === OpKind.Register && isControl(to))
    writeControlRegister(cpu, (to - Register.CR0) as ControlRegister, readRegister(cpu, from));
  else if (instruction.op0Kind === OpKind.Register && isDebug(to))
    writeDebugRegister(cpu, to - Register.DR0, readRegister(cpu, from));
  else if (isControl(from)) writeRegister(cpu, to, readControlRegister(cpu, (from - Register.CR0) as ControlRegister));
  else if (isDebug(from)) writeRegister(cpu, to, readDebugRegister(cpu, from - Register.DR0));
  else if (isSegment(to)) {
    const segment = to - Register.ES;
    if (segment === 1) refuse(exception.UD, 'opcode.undefined');
    loadSegment(cpu, segment as DataSegment, Number(readOperand(cpu, instruction, 1, 2) & 0xffffn));
    shadow(cpu, segment);
  } else refuse(exception.UD, 'opcode.undefined');
};

const pop: Row = (cpu, instruction) => {
  const segment = instruction.op0Register - Register.ES;
  const stack = currentStack(cpu, modeOf(cpu.state), 0);
  const selector = stack.pop(operandBytes(instruction, modeBytes(cpu))) & 0xffff;
  loadSegment(cpu, segment as DataSegment, selector);
  stack.commit();
  shadow(cpu, segment);
};

const selectorOperand = (cpu: Cpu, instruction: Instruction, operand: number): number =>
  Number(readOperand(cpu, instruction, operand, 2) & 0xffffn);

/** Stores a selector: 16 bits to memory, the operand size to a register. */
const storeSelector =
  (value: (cpu: Cpu) => number): Row =>
  (cpu, instruction) =>
    writeOperand(cpu, instruction, 0, 2, BigInt(value(cpu)));

/** LAR and LSL write their result only when there is one. */
const query =
  (ask: (cpu: Cpu, selector: number) => number | undefined): Row =>
  (cpu, instruction) => {
    const result = ask(cpu, selectorOperand(cpu, instruction, 1));
    if (result === undefined) return;
    const narrow = registerBytes(instruction.op0Register) === 2;
    writeRegister(cpu, instruction.op0Register, BigInt((narrow ? result & 0xffff : result) >>> 0));
  };

const random: Row = (cpu, instruction) => {
  const value = cpu.surroundings.random();
  const flags = cpu.state.rflags & ~(flagBits.OF | flagBits.SF | flagBits.ZF | flagBits.AF | flagBits.PF);
  cpu.state.rflags = flags | flagBits.CF;
  writeRegister(cpu, instruction.op0Register, value);
};

/** LGDT and LIDT read a limit of 16 bits and a base of 32 or 64; SGDT and SIDT store them. */
const tableBytes = (cpu: Cpu): number => (modeOf(cpu.state) === LONG ? 10 : 6);
const loadTable =
  (load: (cpu: Cpu, address: bigint, size: 2 | 4 | 8) => void): Row =>
  (cpu, instruction) =>
    load(cpu, memoryAddress(cpu, instruction, tableBytes(cpu), false), operandBytes(instruction, modeBytes(cpu)));
const storeTable =
  (store: (cpu: Cpu, address: bigint) => void): Row =>
  (cpu, instruction) =>
    store(cpu, memoryAddress(cpu, instruction, tableBytes(cpu), true));

/** INVLPG takes an address without a check of its segment's limit. */
const flatAddress = (cpu: Cpu, instruction: Instruction): bigint => {
  const segment = (instruction.memorySegment - Register.ES) as 0;
  const long = modeOf(cpu.state) === LONG;
  const base = long && segment < 4 ? 0n : cpu.state.segmentBase(segment);
  return BigInt.asUintN(long ? 64 : 32, base + memoryOffset(cpu, instruction));
};

/** MONITOR: DS:rAX, or another segment by prefix. */
const monitored = (cpu: Cpu, instruction: Instruction): bigint => {
  const segment = instruction.segmentPrefix === Register.None ? DS : instruction.segmentPrefix - Register.ES;
  return segmentAddress(cpu, segment, readRegister(cpu, instruction.op0Register || Register.RAX), 1, false);
};

const rows = byNumber<Row>([
  [Mnemonic.Mov, mov],
  [Mnemonic.Pop, pop],
  [Mnemonic.Lds, loadPointer(3)],
  [Mnemonic.Les, loadPointer(0)],
  [Mnemonic.Lfs, loadPointer(4)],
  [Mnemonic.Lgs, loadPointer(5)],
  [Mnemonic.Lss, loadPointer(SS)],

  [Mnemonic.In, inputOutput],
  [Mnemonic.Out, inputOutput],
  ...[Mnemonic.Insb, Mnemonic.Insw, Mnemonic.Insd, Mnemonic.Outsb, Mnemonic.Outsw, Mnemonic.Outsd].map(
    (mnemonic): [Mnemonic, Row] => [mnemonic, stringPort],
  ),

  [Mnemonic.Rdrand, random],
  [Mnemonic.Rdseed, random],
  [Mnemonic.Cpuid, cpuid],
  [Mnemonic.Rdtsc, system.rdtsc],
  [Mnemonic.Rdtscp, system.rdtscp],
  [Mnemonic.Rdpmc, system.rdpmc],
  [Mnemonic.Rdmsr, system.rdmsr],
  [Mnemonic.Wrmsr, system.wrmsr],
  [Mnemonic.Pause, () => {}],
  [Mnemonic.Swapgs, system.swapgs],
  [Mnemonic.Hlt, system.hlt],
  [Mnemonic.Monitor, (cpu, instruction) => system.monitor(cpu, monitored(cpu, instruction))],
  [Mnemonic.Mwait, system.mwait],
  [Mnemonic.Invlpg, (cpu, instruction) => system.invlpg(cpu, flatAddress(cpu, instruction))],
  [
    Mnemonic.Invpcid,
    (cpu, instruction) =>
      system.invpcid(cpu, readRegister(cpu, instruction.op0Register), memoryAddress(cpu, instruction, 16, false)),
  ],
  [Mnemonic.Invd, system.invd],
  [Mnemonic.Wbinvd, system.wbinvd],
  [Mnemonic.Clac, system.clac],
  [Mnemonic.Stac, system.stac],
  [Mnemonic.Clts, clts],
  [Mnemonic.Lgdt, loadTable(system.lgdt)],
  [Mnemonic.Lidt, loadTable(system.lidt)],
  [Mnemonic.Sgdt, storeTable(system.sgdt)],
  [Mnemonic.Sidt, storeTable(system.sidt)],
  [Mnemonic.Xgetbv, system.xgetbv],
  [Mnemonic.Xsetbv, system.xsetbv],

  [Mnemonic.Lldt, (cpu, instruction) => lldt(cpu, selectorOperand(cpu, instruction, 0))],
  [Mnemonic.Ltr, (cpu, instruction) => ltr(cpu, selectorOperand(cpu, instruction, 0))],
  [Mnemonic.Sldt, storeSelector(sldt)],
  [Mnemonic.Str, storeSelector(str)],
  [Mnemonic.Lar, query(lar)],
  [Mnemonic.Lsl, query(lsl)],
  [Mnemonic.Verr, (cpu, instruction) => verr(cpu, selectorOperand(cpu, instruction, 0))],
  [Mnemonic.Verw, (cpu, instruction) => verw(cpu, selectorOperand(cpu, instruction, 0))],
  [
    Mnemonic.Arpl,
    (cpu, instruction) => {
      const result = arpl(cpu, selectorOperand(cpu, instruction, 0), selectorOperand(cpu, instruction, 1));
      // The upper half of a 32-bit register stays.
      if (result !== undefined)
        writeOperand(cpu, instruction, 0, 2, (readOperand(cpu, instruction, 0, 2) & ~0xffffn) | BigInt(result));
    },
  ],
  [Mnemonic.Smsw, (cpu, instruction) => writeOperand(cpu, instruction, 0, 2, smsw(cpu))],
  [Mnemonic.Lmsw, (cpu, instruction) => lmsw(cpu, selectorOperand(cpu, instruction, 0))],
]);

/** These set RIP themselves. */
const transfers = byNumber<Row>([
  [Mnemonic.Jmp, jump],
  [Mnemonic.Call, call],
  [Mnemonic.Retf, farRet],
  ...[Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Iretq].map((mnemonic): [Mnemonic, Row] => [
    mnemonic,
    (cpu, instruction, next) => iret(cpu, operandBytes(instruction, modeBytes(cpu)), next),
  ]),
  [Mnemonic.Int, (cpu, instruction, next) => softwareInterrupt(cpu, instruction.immediate8, next, 'int')],
  [Mnemonic.Int3, (cpu, _, next) => softwareInterrupt(cpu, 3, next, 'int3')],
  [Mnemonic.Int1, (cpu, _, next) => softwareInterrupt(cpu, 1, next, 'int1')],
  [
    Mnemonic.Into,
    (cpu, _, next) => {
      if (cpu.state.rflags & flagBits.OF) softwareInterrupt(cpu, 4, next, 'into');
      else cpu.state.rip = next;
    },
  ],
  ...[
    Mnemonic.Vmxon,
    Mnemonic.Vmxoff,
    Mnemonic.Vmclear,
    Mnemonic.Vmptrld,
    Mnemonic.Vmptrst,
    Mnemonic.Vmread,
    Mnemonic.Vmwrite,
    Mnemonic.Vmlaunch,
    Mnemonic.Vmresume,
    Mnemonic.Vmcall,
    Mnemonic.Vmfunc,
    Mnemonic.Invept,
    Mnemonic.Invvpid,
  ].map((mnemonic): [Mnemonic, Row] => [mnemonic, (cpu, instruction, next) => cpu.vmx?.execute(instruction, next)]),
  [Mnemonic.Syscall, (cpu, _, next) => syscall(cpu, next)],
  [Mnemonic.Sysret, (cpu) => sysret(cpu, false)],
  [Mnemonic.Sysretq, (cpu) => sysret(cpu, true)],
  [Mnemonic.Sysenter, sysenter],
  [Mnemonic.Sysexit, (cpu) => sysexit(cpu, false)],
  [Mnemonic.Sysexitq, (cpu) => sysexit(cpu, true)],
]);

/** Features of x86/cpuid.ts by iced's names; instructions of features without a row are always there, or never. */
const features = new Map<CpuidFeature, string>([
  [CpuidFeature.ADX, 'adx'],
  [CpuidFeature.BMI1, 'bmi1'],
  [CpuidFeature.BMI2, 'bmi2'],
  [CpuidFeature.CLFLUSHOPT, 'clflushopt'],
  [CpuidFeature.CLWB, 'clwb'],
  [CpuidFeature.CMPXCHG16B, 'cx16'],
  [CpuidFeature.FSGSBASE, 'fsgsbase'],
  [CpuidFeature.INVPCID, 'invpcid'],
  [CpuidFeature.LZCNT, 'abm'],
  [CpuidFeature.MONITOR, 'monitor'],
  [CpuidFeature.MOVBE, 'movbe'],
  [CpuidFeature.POPCNT, 'popcnt'],
  [CpuidFeature.RDRAND, 'rdrand'],
  [CpuidFeature.RDSEED, 'rdseed'],
  [CpuidFeature.RDTSCP, 'rdtscp'],
  [CpuidFeature.SMAP, 'smap'],
  [CpuidFeature.VMX, 'vmx'],
]);
const neededFeature: (string | null)[] = [];

/** The feature of x86/cpuid.ts that an instruction needs, if it is not in every x86-64 processor. */
const featureOf = (instruction: Instruction): string | undefined => {
  const { code } = instruction;
  const known = neededFeature[code];
  if (known !== undefined) return known ?? undefined;
  const needed = Array.from(instruction.cpuidFeatures(), (feature) => features.get(feature as CpuidFeature));
  const name = needed.find((one) => one !== undefined);
  neededFeature[code] = name ?? null;
  return name;
};

/** Does this processor have the instruction? */
export const supportsInstruction = (cpu: Cpu, instruction: Instruction): boolean => {
  const feature = featureOf(instruction);
  return feature === undefined || cpu.model.has(feature);
};

/** Is there a row for it? What has none, and no definition in the core either, is #UD. */
export const isSlow = ({ mnemonic }: Instruction): boolean =>
  transfers[mnemonic] !== undefined || rows[mnemonic] !== undefined;

const LONGEST = 15;
const PREFIXES: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** Do prefixes make an instruction of the bytes at RIP that ends behind the 15th? */
const isTooLong = (cpu: Cpu): boolean => {
  const { state } = cpu;
  const long = modeOf(state) === LONG;
  const bytes: number[] = [];
  for (let n = 0; n < LONGEST; n++) {
    const linear = BigInt.asUintN(long ? 64 : 32, state.rip + BigInt(n) + (long ? 0n : state.segmentBase(CS)));
    const low = Number(linear & 0xffffffffn);
    const physical = cpu.paging.translate(low, Number(linear >> 32n), access.execute, state.cpl === 3 ? 1 : 0);
    if (physical < 0) return false;
    bytes.push(Number(cpu.physical.peek(cpu.physical.gate(physical), 1)));
  }
  const isPrefix = (byte: number) => PREFIXES.has(byte) || (long && (byte & 0xf0) === 0x40);
  // Without the prefixes that are too many, the rest is an instruction that lacks bytes or is whole.
  const first = bytes.findIndex((byte) => !isPrefix(byte));
  if (first < 0) return true;
  for (let skipped = 1; skipped <= first; skipped++) {
    const rest = new Decoder(
      long ? 64 : state.segmentAccess(CS) & (1 << 14) ? 32 : 16,
      new Uint8Array(bytes.slice(skipped)),
      DecoderOptions.None,
    );
    const { code } = rest.decode();
    const unfinished = rest.lastError === DecoderError.NoMoreBytes;
    rest.free();
    if (code !== Code.INVALID) return false;
    if (unfinished) return true;
  }
  return false;
};

/** @throws Fault #UD, #GP or #NM, always */
const refuseMissing = (cpu: Cpu, instruction: Instruction): never => {
  if (instruction.code === Code.INVALID) {
    if (isTooLong(cpu)) refuse(exception.GP, 'opcode.length', 0);
    refuse(exception.UD, 'opcode.undefined');
  }
  const name = (Mnemonic[instruction.mnemonic] as string).toLowerCase();
  const feature = featureOf(instruction);
  if (feature !== undefined)
    refuse(exception.UD, 'opcode.feature', undefined, { instruction: name, register: feature });
  cpu.surroundings.emit('not-implemented', () => ({ instruction: name }));
  const cr0 = cpu.state.getU32(layout.cr0);
  const x87 = Array.from(instruction.cpuidFeatures()).some(
    (one) => one === CpuidFeature.FPU || one === CpuidFeature.FPU287 || one === CpuidFeature.FPU387,
  );
  if (x87 && cr0 & (CR0.EM | CR0.TS))
    refuse(exception.NM, 'device.not-available', undefined, {
      register: cr0 & CR0.EM ? 'EM' : 'TS',
      instruction: name,
    });
  return refuse(exception.UD, 'opcode.not-implemented', undefined, { instruction: name });
};

/** Executes the instruction at RIP; RIP is the next one's afterwards. @throws Fault, with nothing changed */
export const executeSlow = (cpu: Cpu, instruction: Instruction): void => {
  const { state } = cpu;
  const next = state.rip + BigInt(instruction.length);
  const nextRip = modeOf(state) === LONG ? BigInt.asUintN(64, next) : BigInt.asUintN(32, next);
  if (!supportsInstruction(cpu, instruction)) refuseMissing(cpu, instruction);
  const transfer = transfers[instruction.mnemonic];
  if (transfer) {
    transfer(cpu, instruction, nextRip);
    return;
  }
  const row = rows[instruction.mnemonic];
  if (!row) return refuseMissing(cpu, instruction);
  row(cpu, instruction, nextRip);
  // A repeated port instruction that has more to do stays where it is.
  if (!state.repeating) state.rip = nextRip;
};
