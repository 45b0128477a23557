/** Every rule of control registers, debug registers, MSRs and system instructions, broken once. */

import { describe, expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { CS, TR } from '../../src/machine/core/state';
import { lmsw, readControlRegister, smsw, writeControlRegister } from '../../src/machine/cpu/control-registers';
import {
  breakpointHits,
  breakpointReason,
  DebugException,
  readDebugRegister,
  singleStep,
  writeDebugRegister,
} from '../../src/machine/cpu/debug-registers';
import { cli, popFlags, pushedFlags, sti } from '../../src/machine/cpu/flags-instructions';
import { msrOffset } from '../../src/machine/cpu/msrs';
import * as system from '../../src/machine/cpu/system-instructions';
import { CR0, CR4, DR7, EFER } from '../../src/x86/control-registers';
import { msrRules } from '../../src/x86/rules/msr';
import { systemRules } from '../../src/x86/rules/system';
import { ALL_FEATURES, BareCpu, faultOf, stubModel } from './bare-cpu';

const [DB, UD, GP] = [1, 6, 13];
const NOTHING = stubModel([]);
const VMX = stubModel([...ALL_FEATURES, 'vmx']);

interface Refusal {
  readonly rule: keyof typeof systemRules | keyof typeof msrRules;
  readonly name: string;
  readonly model?: ReturnType<typeof stubModel>;
  readonly prepare?: (bare: BareCpu) => void;
  readonly act: (bare: BareCpu) => unknown;
  readonly vector?: number;
  readonly why?: Record<string, unknown>;
}

const ring3 = (bare: BareCpu): void => {
  bare.state.cpl = 3;
};
const long = (bare: BareCpu, cr4 = 0): void => {
  bare.pagingOn('4-level', 0x1000, cr4);
  bare.state.setU32(layout.segmentAccess + CS * 4, 0xa09b);
};
/** Identity pages of 2 MiB for everything. */
const longWithMemory = (bare: BareCpu, cr4 = 0): void => {
  long(bare, cr4);
  bare.entry64(0x1000, 0x2007n);
  bare.entry64(0x2000, 0x3007n);
  for (let i = 0; i < 8; i++) bare.entry64(0x3000 + i * 8, BigInt(i * 0x20_0000) | 0x87n);
};
const v86 = (bare: BareCpu): void => {
  ring3(bare);
  bare.state.rflags = (1 << 17) | (2 << 12);
};
const cr = (register: number, value: bigint | number) => (bare: BareCpu) =>
  writeControlRegister(bare.cpu, register, BigInt(value));
const cr4 = (bits: number) => (bare: BareCpu) => {
  bare.state.cr4 |= BigInt(bits);
};
const wrmsr = (register: number, value: bigint) => (bare: BareCpu) => {
  bare.state.setGpr(1, BigInt(register));
  bare.state.setGpr(0, value & 0xffffffffn);
  bare.state.setGpr(2, value >> 32n);
  system.wrmsr(bare.cpu);
};
const rdmsr = (register: number) => (bare: BareCpu) => {
  bare.state.setGpr(1, BigInt(register));
  system.rdmsr(bare.cpu);
};
const ecx = (value: number) => (bare: BareCpu) => bare.state.setGpr(1, BigInt(value));
const invpcid = (type: bigint, low: bigint, high: bigint) => (bare: BareCpu) => {
  bare.physical.write(0x8000, 8, low);
  bare.physical.write(0x8008, 8, high);
  system.invpcid(bare.cpu, type, 0x8000n);
};
const PE = CR0.PE | CR0.ET;
const pg = (more = 0) => BigInt((CR0.PG | PE | more) >>> 0);

const refusals: readonly Refusal[] = [
  ...Object.entries({
    hlt: system.hlt,
    wbinvd: system.wbinvd,
    invd: system.invd,
    rdmsr: system.rdmsr,
    wrmsr: system.wrmsr,
  }).map(
    ([name, instruction]): Refusal => ({
      rule: 'privileged.cpl-0',
      name: `${name} in ring 3`,
      prepare: ring3,
      act: ({ cpu }) => instruction(cpu),
      why: { instruction: name, value: 3n },
    }),
  ),
  { rule: 'privileged.cpl-0', name: 'LGDT in ring 3', prepare: ring3, act: ({ cpu }) => system.lgdt(cpu, 0n, 4) },
  {
    rule: 'privileged.cpl-0',
    name: 'LIDT in ring 1',
    prepare: (b) => b.state.setU32(layout.cpl, 1),
    act: ({ cpu }) => system.lidt(cpu, 0n, 4),
  },
  { rule: 'privileged.cpl-0', name: 'INVLPG in ring 3', prepare: ring3, act: ({ cpu }) => system.invlpg(cpu, 0n) },
  {
    rule: 'privileged.cpl-0',
    name: 'MOV from CR0 in ring 3',
    prepare: ring3,
    act: ({ cpu }) => readControlRegister(cpu, 0),
  },
  { rule: 'privileged.cpl-0', name: 'MOV to CR2 in ring 3', prepare: ring3, act: cr(2, 0) },
  { rule: 'privileged.cpl-0', name: 'LMSW in ring 3', prepare: ring3, act: ({ cpu }) => lmsw(cpu, 1) },
  {
    rule: 'privileged.cpl-0',
    name: 'MOV from DR0 in ring 3, before DR7.GD',
    prepare: (b) => {
      ring3(b);
      b.state.setDr(7, BigInt(DR7.GD));
    },
    act: ({ cpu }) => readDebugRegister(cpu, 0),
  },
  {
    rule: 'feature.absent',
    name: 'INVPCID without the feature',
    model: NOTHING,
    vector: UD,
    act: invpcid(0n, 0n, 0n),
    why: { register: 'invpcid' },
  },
  {
    rule: 'feature.absent',
    name: 'RDTSCP without the feature',
    model: NOTHING,
    vector: UD,
    act: ({ cpu }) => system.rdtscp(cpu),
  },
  {
    rule: 'feature.absent',
    name: 'MONITOR without the feature',
    model: NOTHING,
    vector: UD,
    act: ({ cpu }) => system.monitor(cpu, 0n),
  },
  { rule: 'feature.absent', name: 'STAC without SMAP', model: NOTHING, vector: UD, act: ({ cpu }) => system.stac(cpu) },
  {
    rule: 'feature.absent',
    name: 'RDFSBASE without the feature',
    model: NOTHING,
    vector: UD,
    prepare: long,
    act: ({ cpu }) => system.readSegmentBase(cpu, 4, 8),
  },
  { rule: 'mode.64-bit', name: 'SWAPGS outside 64-bit mode', vector: UD, act: ({ cpu }) => system.swapgs(cpu) },
  { rule: 'mode.64-bit', name: 'CR8 outside 64-bit mode', vector: UD, act: cr(8, 0) },

  {
    rule: 'cr.undefined',
    name: 'CR1, also in ring 3',
    vector: UD,
    prepare: ring3,
    act: cr(1, 0),
    why: { register: 'CR1' },
  },
  { rule: 'cr.undefined', name: 'CR5', vector: UD, act: ({ cpu }) => readControlRegister(cpu, 5) },
  { rule: 'cr0.reserved', name: 'bit 32 of CR0', prepare: long, act: cr(0, pg() | (1n << 32n)), why: { bit: 32 } },
  { rule: 'cr0.pg-needs-pe', name: 'PG without PE', act: cr(0, CR0.PG), why: { register: 'CR0', bit: 0 } },
  { rule: 'cr0.nw-needs-cd', name: 'NW without CD', act: cr(0, PE | CR0.NW), why: { bit: 30 } },
  {
    rule: 'cr0.long-mode-needs-pae',
    name: 'LME and PG without PAE',
    prepare: (b) => {
      b.state.efer = BigInt(EFER.LME);
    },
    act: cr(0, pg()),
    why: { register: 'CR4', bit: 5 },
  },
  {
    rule: 'cr0.long-mode-needs-cs-l-0',
    name: 'LME and PG from CS.L',
    prepare: (b) => {
      b.state.efer = BigInt(EFER.LME);
      cr4(CR4.PAE)(b);
      b.state.setU32(layout.segmentAccess + CS * 4, 0xa09b);
    },
    act: cr(0, pg()),
  },
  {
    rule: 'cr0.long-mode-needs-32-bit-tss',
    name: 'LME and PG with a 16-bit TSS',
    prepare: (b) => {
      b.state.efer = BigInt(EFER.LME);
      cr4(CR4.PAE)(b);
      b.state.setU32(layout.segmentAccess + TR * 4, 0x83);
    },
    act: cr(0, pg()),
  },
  {
    rule: 'cr0.pg-in-64-bit-mode',
    name: 'clearing PG in 64-bit mode',
    prepare: long,
    act: cr(0, PE),
    why: { bit: 31 },
  },
  {
    rule: 'cr0.pg-needed-by-pcide',
    name: 'clearing PG with PCIDE in compatibility mode',
    prepare: (b) => {
      long(b, CR4.PCIDE);
      b.state.setU32(layout.segmentAccess + CS * 4, 0xc09b);
    },
    act: cr(0, PE),
    why: { register: 'CR4', bit: 17 },
  },
  { rule: 'cr3.reserved', name: 'CR3 beyond MAXPHYADDR', prepare: long, act: cr(3, 1n << 39n), why: { bit: 39 } },
  { rule: 'cr3.reserved', name: 'bit 63 of CR3 without PCIDE', prepare: long, act: cr(3, 1n << 63n), why: { bit: 63 } },
  { rule: 'cr4.reserved', name: 'a bit of CR4 that no processor has', act: cr(4, 1 << 15), why: { bit: 15 } },
  { rule: 'cr4.reserved', name: 'SMAP on a model without it', model: NOTHING, act: cr(4, CR4.SMAP), why: { bit: 21 } },
  { rule: 'cr4.reserved', name: 'OSXSAVE, which this machine has not', act: cr(4, CR4.OSXSAVE), why: { bit: 18 } },
  { rule: 'cr4.pae-in-long-mode', name: 'clearing PAE in long mode', prepare: long, act: cr(4, 0), why: { bit: 5 } },
  { rule: 'cr4.pcide-needs-long-mode', name: 'PCIDE outside long mode', act: cr(4, CR4.PCIDE), why: { bit: 17 } },
  {
    rule: 'cr4.pcide-needs-pcid-0',
    name: 'PCIDE with CR3[11:0] not 0',
    prepare: (b) => {
      long(b);
      b.state.cr3 = 0x1018n;
    },
    act: cr(4, CR4.PCIDE | CR4.PAE),
    why: { register: 'CR3', bit: 3 },
  },
  { rule: 'cr8.reserved', name: 'CR8 above 15', prepare: long, act: cr(8, 0x10), why: { bit: 4 } },

  {
    rule: 'dr.undefined',
    name: 'DR4 with CR4.DE',
    vector: UD,
    prepare: cr4(CR4.DE),
    act: ({ cpu }) => readDebugRegister(cpu, 4),
    why: { register: 'DR4' },
  },
  {
    rule: 'dr.reserved',
    name: 'bit 32 of DR7',
    prepare: long,
    act: ({ cpu }) => writeDebugRegister(cpu, 7, 1n << 32n),
  },
  {
    rule: 'dr.general-detect',
    name: 'MOV DR with DR7.GD',
    vector: DB,
    prepare: (b) => b.state.setDr(7, BigInt(DR7.GD)),
    act: ({ cpu }) => writeDebugRegister(cpu, 0, 0n),
    why: { bit: 13 },
  },
  ...(
    [
      ['debug.execute', 0, 'execute'],
      ['debug.write', 1, 'write'],
      ['debug.port', 2, 'port'],
      ['debug.access', 3, 'read'],
    ] as const
  ).map(
    ([rule, field, event]): Refusal => ({
      rule,
      name: `${event} of an armed address`,
      vector: DB,
      prepare: (b) => {
        cr4(CR4.DE)(b);
        b.state.setDr(1, 0x3f8n);
        b.state.setDr(7, BigInt(DR7.G1 | (field << 20)));
      },
      act: ({ state }) => {
        const bits = breakpointHits(state, event, 0x3f8n, 1);
        throw new DebugException(bits, breakpointReason(state, bits));
      },
      why: { register: 'DR1', linear: 0x3f8n },
    }),
  ),
  {
    rule: 'debug.single-step',
    name: 'the end of an instruction with TF',
    vector: DB,
    act: () => {
      throw singleStep();
    },
  },

  {
    rule: 'umip.user',
    name: 'SGDT',
    prepare: (b) => {
      ring3(b);
      cr4(CR4.UMIP)(b);
    },
    act: ({ cpu }) => system.sgdt(cpu, 0x500n),
    why: { instruction: 'sgdt', register: 'CR4', bit: 11 },
  },
  {
    rule: 'umip.user',
    name: 'SIDT',
    prepare: (b) => {
      ring3(b);
      cr4(CR4.UMIP)(b);
    },
    act: ({ cpu }) => system.sidt(cpu, 0x500n),
  },
  {
    rule: 'umip.user',
    name: 'SMSW',
    prepare: (b) => {
      ring3(b);
      cr4(CR4.UMIP)(b);
    },
    act: ({ cpu }) => smsw(cpu),
  },
  {
    rule: 'table.canonical',
    name: 'LGDT of a non-canonical base',
    prepare: (b) => {
      longWithMemory(b);
      b.physical.write(0x8002, 8, 1n << 47n);
    },
    act: ({ cpu }) => system.lgdt(cpu, 0x8000n, 8),
    why: { register: 'GDTR' },
  },
  {
    rule: 'tsc.disabled',
    name: 'RDTSC',
    prepare: (b) => {
      ring3(b);
      cr4(CR4.TSD)(b);
    },
    act: ({ cpu }) => system.rdtsc(cpu),
    why: { bit: 2 },
  },
  {
    rule: 'tsc.disabled',
    name: 'RDTSCP',
    prepare: (b) => {
      ring3(b);
      cr4(CR4.TSD)(b);
    },
    act: ({ cpu }) => system.rdtscp(cpu),
  },
  { rule: 'rdpmc.disabled', name: 'RDPMC in ring 3 without PCE', prepare: ring3, act: ({ cpu }) => system.rdpmc(cpu) },
  {
    rule: 'rdpmc.counter',
    name: 'RDPMC: there is no counter',
    prepare: ecx(2),
    act: ({ cpu }) => system.rdpmc(cpu),
    why: { value: 2n },
  },
  { rule: 'invpcid.type', name: 'type 4', act: invpcid(4n, 0n, 0n) },
  { rule: 'invpcid.reserved', name: 'bit 12 of the descriptor', act: invpcid(2n, 0x1000n, 0n) },
  { rule: 'invpcid.pcid', name: 'PCID 1 without PCIDE', act: invpcid(1n, 1n, 0n), why: { bit: 17 } },
  { rule: 'invpcid.canonical', name: 'a non-canonical address', act: invpcid(0n, 0n, 1n << 47n) },
  {
    rule: 'monitor.cpl-0',
    name: 'MONITOR in ring 3',
    vector: UD,
    prepare: ring3,
    act: ({ cpu }) => system.monitor(cpu, 0n),
  },
  { rule: 'monitor.cpl-0', name: 'MWAIT in ring 3', vector: UD, prepare: ring3, act: ({ cpu }) => system.mwait(cpu) },
  { rule: 'monitor.extensions', name: 'ECX = 1', prepare: ecx(1), act: ({ cpu }) => system.monitor(cpu, 0n) },
  { rule: 'mwait.extensions', name: 'ECX = 2', prepare: ecx(2), act: ({ cpu }) => system.mwait(cpu) },
  {
    rule: 'fsgsbase.cr4',
    name: 'WRGSBASE without CR4.FSGSBASE',
    vector: UD,
    prepare: long,
    act: ({ cpu }) => system.writeSegmentBase(cpu, 5, 0n, 8),
    why: { instruction: 'wrgsbase', bit: 16 },
  },
  {
    rule: 'fsgsbase.canonical',
    name: 'WRFSBASE of a non-canonical base',
    prepare: (b) => long(b, CR4.FSGSBASE),
    act: ({ cpu }) => system.writeSegmentBase(cpu, 4, 1n << 47n, 8),
  },
  { rule: 'smap.cpl-0', name: 'STAC in ring 3', vector: UD, prepare: ring3, act: ({ cpu }) => system.stac(cpu) },
  {
    rule: 'interrupt-flag.iopl',
    name: 'CLI in ring 3 with IOPL 2',
    prepare: (b) => {
      ring3(b);
      b.state.rflags = 2 << 12;
    },
    act: ({ cpu }) => cli(cpu),
    why: { value: 2n },
  },
  { rule: 'interrupt-flag.iopl', name: 'STI in ring 3 with IOPL 0', prepare: ring3, act: ({ cpu }) => sti(cpu) },
  { rule: 'flags.v86-iopl', name: 'PUSHF in virtual-8086 mode', prepare: v86, act: ({ cpu }) => pushedFlags(cpu, 2) },
  { rule: 'flags.v86-iopl', name: 'POPF in virtual-8086 mode', prepare: v86, act: ({ cpu }) => popFlags(cpu, 0, 2) },
  { rule: 'flags.v86-iopl', name: 'CLI in virtual-8086 mode', prepare: v86, act: ({ cpu }) => cli(cpu) },
  { rule: 'xcr.osxsave', name: 'XGETBV', vector: UD, act: () => system.xgetbv() },
  { rule: 'xcr.osxsave', name: 'XSETBV', vector: UD, act: () => system.xsetbv() },

  { rule: 'msr.known', name: 'RDMSR of nothing', act: rdmsr(0x1234), why: { register: 'MSR 1234' } },
  { rule: 'msr.known', name: 'WRMSR of nothing', act: wrmsr(0xc0010015, 1n), why: { register: 'MSR c0010015' } },
  {
    rule: 'msr.known',
    name: 'a register of a feature that is absent',
    model: NOTHING,
    act: rdmsr(0x6e0),
    why: { register: 'IA32_TSC_DEADLINE' },
  },
  {
    rule: 'msr.known',
    name: 'an x2APIC register in xAPIC mode',
    prepare: (b) => b.apicMsrs.set(0x802, 0n),
    act: rdmsr(0x802),
  },
  {
    rule: 'msr.known',
    name: 'an x2APIC register that does not exist',
    prepare: (b) => b.state.setU64(msrOffset('IA32_APIC_BASE'), 0xfee00c00n),
    act: wrmsr(0x8ff, 0n),
  },
  { rule: 'msr.read-only', name: 'IA32_MTRRCAP', act: wrmsr(0xfe, 0n), why: { register: 'IA32_MTRRCAP' } },
  { rule: 'msr.reserved', name: 'bit 32 of IA32_FMASK', act: wrmsr(0xc0000084, 1n << 32n), why: { bit: 32 } },
  { rule: 'msr.reserved', name: 'BTF in IA32_DEBUGCTL', act: wrmsr(0x1d9, 2n), why: { bit: 1 } },
  { rule: 'msr.reserved', name: 'bit 8 of an MTRR base', act: wrmsr(0x200, 0x106n), why: { bit: 8 } },
  { rule: 'msr.reserved', name: 'an MTRR mask beyond MAXPHYADDR', act: wrmsr(0x201, 1n << 39n), why: { bit: 39 } },
  { rule: 'msr.reserved', name: 'bit 8 of the default type', act: wrmsr(0x2ff, 0x100n), why: { bit: 8 } },
  { rule: 'msr.reserved', name: 'bit 9 of IA32_APIC_BASE', act: wrmsr(0x1b, 0xfee00a00n), why: { bit: 9 } },
  { rule: 'msr.reserved', name: 'Turbo disable in IA32_MISC_ENABLE', act: wrmsr(0x1a0, 1n << 38n), why: { bit: 38 } },
  { rule: 'msr.reserved', name: 'bit 3 of IA32_FEATURE_CONTROL', model: VMX, act: wrmsr(0x3a, 8n), why: { bit: 3 } },
  { rule: 'msr.canonical', name: 'IA32_LSTAR', act: wrmsr(0xc0000082, 1n << 63n), why: { register: 'IA32_LSTAR' } },
  { rule: 'msr.canonical', name: 'IA32_FS_BASE', act: wrmsr(0xc0000100, 1n << 47n) },
  { rule: 'msr.canonical', name: 'IA32_SYSENTER_EIP', act: wrmsr(0x176, 1n << 47n) },
  { rule: 'msr.memory-type', name: 'type 2 in IA32_PAT', act: wrmsr(0x277, 0x0200n), why: { bit: 8 } },
  { rule: 'msr.memory-type', name: 'UC- in a fixed MTRR', act: wrmsr(0x250, 7n << 56n), why: { bit: 56 } },
  { rule: 'msr.memory-type', name: 'type 3 as default', act: wrmsr(0x2ff, 3n) },
  {
    rule: 'msr.apic-transition',
    name: 'x2APIC from disabled',
    prepare: (b) => b.state.setU64(msrOffset('IA32_APIC_BASE'), 0xfee00000n),
    act: wrmsr(0x1b, 0xfee00c00n),
  },
  {
    rule: 'msr.apic-transition',
    name: 'xAPIC from x2APIC',
    prepare: (b) => b.state.setU64(msrOffset('IA32_APIC_BASE'), 0xfee00c00n),
    act: wrmsr(0x1b, 0xfee00800n),
  },
  {
    rule: 'msr.apic-transition',
    name: 'x2APIC bit without enable',
    prepare: (b) => b.state.setU64(msrOffset('IA32_APIC_BASE'), 0xfee00800n),
    act: wrmsr(0x1b, 0xfee00400n),
  },
  {
    rule: 'msr.feature-control-locked',
    name: 'writing it locked',
    model: VMX,
    prepare: (b) => b.state.setU64(msrOffset('IA32_FEATURE_CONTROL'), 5n),
    act: wrmsr(0x3a, 4n),
  },
  { rule: 'efer.reserved', name: 'bit 1 of IA32_EFER', act: wrmsr(0xc0000080, 2n), why: { bit: 1 } },
  {
    rule: 'efer.reserved',
    name: 'NXE hidden by IA32_MISC_ENABLE',
    prepare: wrmsr(0x1a0, 1n << 34n),
    act: wrmsr(0xc0000080, 0x800n),
    why: { bit: 11 },
  },
  {
    rule: 'efer.lme-while-paging',
    name: 'clearing LME in long mode',
    prepare: long,
    act: wrmsr(0xc0000080, 0n),
    why: { bit: 8 },
  },
];

const stateOf = (bare: BareCpu): string =>
  Buffer.from(bare.memory.u8.slice(bare.state.base, bare.state.base + layout.transient)).toString('base64');

describe('a refusal changes nothing and says why', () => {
  test.each(refusals.map((one) => [one.rule, one.name, one] as const))('%s: %s', (rule, _, refusal) => {
    const bare = new BareCpu(refusal.model);
    bare.state.setU64(msrOffset('IA32_APIC_BASE'), 0xfee00900n);
    refusal.prepare?.(bare);
    let before = '';
    const fault = faultOf(() => {
      // The operands of the instruction are no part of what must not change.
      const registers = [0, 1, 2].map((register) => bare.state.gpr(register));
      before = stateOf(bare);
      try {
        refusal.act(bare);
      } finally {
        registers.forEach((value, register) => {
          bare.state.setGpr(register, value);
        });
      }
    });
    expect(fault.vector).toBe(refusal.vector ?? GP);
    expect(fault.errorCode).toBe(fault.vector === GP ? 0 : undefined);
    expect(fault.why).toMatchObject({ rule, ...refusal.why });
    // A debug exception leaves its condition in DR6.
    if (fault.vector !== DB) expect(stateOf(bare)).toBe(before);
  });
});

test('every rule has its row', () => {
  const broken = new Set<string>(refusals.map(({ rule }) => rule));
  expect(Object.keys({ ...systemRules, ...msrRules }).filter((rule) => !broken.has(rule))).toEqual([]);
});

test('an access to an MSR that is not there is an event that names it', () => {
  const bare = new BareCpu();
  faultOf(() => rdmsr(0x1234)(bare));
  faultOf(() => wrmsr(0x1235, 77n)(bare));
  expect(bare.of('msr')).toEqual([
    { kind: 'msr', register: 0x1234, access: 'r', value: 0n },
    { kind: 'msr', register: 0x1235, access: 'w', value: 77n },
  ]);
});
