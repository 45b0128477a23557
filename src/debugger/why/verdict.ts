/**
 * Whether an instruction exits, and what would have to be otherwise for it to do so: found by asking the intercepts
 * again under suppositions, so that no second table of them has to be kept.
 */

import { type Instruction, Mnemonic, Register } from 'iced-x86';
import type { Exit } from '../../machine/core/exit';
import { Fault } from '../../machine/core/fault';
import { state as layout } from '../../machine/core/layout';
import type { Cpu } from '../../machine/cpu/cpu';
import { readRegister } from '../../machine/cpu/operands';
import { control } from '../../machine/vmx/control-bits';
import { interceptOf } from '../../machine/vmx/intercepts';
import { checkThreshold } from '../../machine/vmx/task-priority';
import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { bitName, cr0Bits, cr4Bits } from '../../x86/control-registers';
import { controlWords } from '../../x86/vmx/controls';
import type { FieldName } from '../../x86/vmx/fields';
import { priorityText } from './boundaries';
import { bitmapBitText, controlText, fieldText } from './control-words';
import { type Supposition, scratchOf, supposing } from './looking';

export type Verdict =
  | { readonly kind: 'exits'; readonly exit: Exit }
  /** Refused before it could exit. */
  | { readonly kind: 'faults'; readonly fault: Fault }
  /** It is executed; each of these would have to be otherwise for it to exit. None: nothing intercepts it. */
  | { readonly kind: 'stays'; readonly because: readonly string[] };

const ask = (vmx: Vmx, instruction: Instruction): Exit | Fault | undefined => {
  try {
    return interceptOf(vmx, instruction);
  } catch (fault) {
    if (fault instanceof Fault) return fault;
    throw fault;
  }
};

/** @param given registers and controls, where not those of now are meant */
export const verdictOf = (vmx: Vmx, instruction: Instruction, given: Supposition = {}): Verdict => {
  const found = ask(supposing(vmx, given), instruction);
  if (found instanceof Fault) return { kind: 'faults', fault: found };
  if (found !== undefined) return { kind: 'exits', exit: found };
  const asked: Asked = {
    vmx,
    instruction,
    given,
    exitIf: (more) => {
      const exit = ask(supposing(vmx, { ...given, ...more }), instruction);
      return exit instanceof Fault ? undefined : exit;
    },
  };
  return {
    kind: 'stays',
    because: [byBitmap, byControls, byTargets, byMask, byPauseLoop, byThreshold].flatMap((way) => way(asked)),
  };
};

interface Asked {
  readonly vmx: Vmx;
  readonly instruction: Instruction;
  readonly given: Supposition;
  /** The exit that there would be. */
  readonly exitIf: (more: Supposition) => Exit | undefined;
}

/** Controls that are 0: one alone would do. */
const byControls = ({ vmx, given, exitIf }: Asked): string[] => {
  const controls = given.controls ?? vmx.controls;
  return (['primary', 'secondary'] as const).flatMap((word) =>
    Object.entries(controlWords[word].bits).flatMap(([name, { bit }]) => {
      const mask = (2 ** bit) | 0;
      if (controls[word] & mask) return [];
      const exit = exitIf({ controls: { ...controls, [word]: controls[word] | mask } });
      return exit === undefined ? [] : [controlText(`${word}.${name}`, 0)];
    }),
  );
};

/** The bits of a bitmap: one for each port of the access, or the MSR's. */
const byBitmap = ({ exitIf }: Asked): string[] =>
  Array.from({ length: 8 }, (_, bit) => exitIf({ byte: 1 << bit })?.cause).flatMap((cause) => {
    if (cause?.bitmapByte === undefined || cause.bit === undefined) return [];
    const what = `${cause.field === 'MSR_BITMAP' ? 'MSR' : 'port'} ${hex(cause.value ?? 0n)}`;
    const control = cause.control === undefined ? '' : `; ${controlText(cause.control, 1)}`;
    return [`${bitmapBitText(cause.bitmapByte, cause.bit)} is 0 (${cause.field}, for ${what}${control})`];
  });

/** A value of the CR3-target list. */
const byTargets = ({ vmx, exitIf }: Asked): string[] => {
  const cause = exitIf({ field: (name) => (name === 'CR3_TARGET_COUNT' ? 0n : undefined) })?.cause;
  if (cause?.rule !== 'cr3.load') return [];
  const target = ([0, 1, 2, 3] as const)
    .map((n): FieldName => `CR3_TARGET_VALUE${n}`)
    .find((name) => vmx.current?.get(name) === cause.value);
  return target === undefined
    ? []
    : [`${controlText('primary.cr3-load-exiting', 1)}, but the value ${hex(cause.value ?? 0n)} is ${target}`];
};

const ONES = 0xffff_ffff_ffff_ffffn;

/** Bits of CR0 and CR4 that the hypervisor does not own, or that are as it shows them. */
const byMask = ({ vmx, instruction, exitIf }: Asked): string[] => {
  const { current } = vmx;
  if (current === undefined) return [];
  const writes = instruction.mnemonic === Mnemonic.Lmsw ? 0xfn : ONES;
  return ([0, 4] as const).flatMap((register) => {
    const mask = `CR${register}_GUEST_HOST_MASK` as const;
    const shadow = `CR${register}_READ_SHADOW` as const;
    const owned = current.get(mask);
    const shown = current.get(shadow);
    const suppose = (field: Partial<Record<FieldName, bigint>>) => exitIf({ field: (name) => field[name] })?.cause;
    const own = suppose({ [mask]: ONES });
    const other = own ?? suppose({ [mask]: ONES, [shadow]: ONES ^ shown });
    if (other?.field !== mask) return [];
    const table = register === 0 ? cr0Bits : cr4Bits;
    const named = (bit: number): string => `${bit} (${bitName(table, bit) ?? 'reserved'})`;
    if (own === undefined) {
      const bit = other.bit ?? 0;
      const which =
        (owned >> BigInt(bit)) & 1n
          ? `${mask} bit ${named(bit)} is 1, but ${shadow} has there what is written`
          : `${mask} bit ${named(bit)} is 0`;
      return [
        other.value === undefined
          ? which
          : `the value is ${fieldText(current, shadow)} in every bit of ${fieldText(current, mask)}`,
      ];
    }
    const differing = own.value === undefined ? [own.bit ?? 0] : bitsOf((own.value ^ shown) & ~owned & writes);
    return [
      `${fieldText(current, mask)} has none of the bits in which the value differs from ${fieldText(current, shadow)}: ${differing.map(named).join(', ')}`,
    ];
  });
};

/** A loop of PAUSE that has lasted long enough. */
const byPauseLoop = ({ vmx, instruction, given, exitIf }: Asked): string[] => {
  if (instruction.mnemonic !== Mnemonic.Pause) return [];
  const state = scratchOf(given.state ?? vmx.cpu.state);
  state.setU32(layout.pauseFirst, 1);
  state.setF64(layout.pauseLast, vmx.cpu.surroundings.now());
  state.setF64(layout.pauseStart, Number.NEGATIVE_INFINITY);
  const controls = given.controls ?? vmx.controls;
  const ple = control.pauseLoop;
  if (exitIf({ state, controls: { ...controls, secondary: controls.secondary | ple } }) === undefined) return [];
  const id = 'secondary.pause-loop-exiting';
  if (!(controls.secondary & ple)) return [controlText(id, 0)];
  const { current } = vmx;
  return [
    `${controlText(id, 1)}, but this is no loop of PAUSEs at most ${fieldText(current, 'PLE_GAP')} apart that has lasted for ${fieldText(current, 'PLE_WINDOW')}`,
  ];
};

/** The task priority that a MOV to CR8 makes: the exit would follow it. */
const byThreshold = ({ vmx, instruction, given }: Asked): string[] => {
  const priority = taskPriorityBy(vmx.cpu, instruction);
  if (priority === undefined) return [];
  const { primary } = given.controls ?? vmx.controls;
  const id = 'primary.use-tpr-shadow';
  if (!(primary & control.tprShadow)) return [controlText(id, 0)];
  const asked = supposing(vmx, { ...given, byte: priority << 4 });
  checkThreshold(asked);
  return asked.cpu.state.getU32(layout.tprExitPending) ? [] : [`${controlText(id, 1)}, but ${priorityText(asked)}`];
};

/** What a MOV to CR8 writes; undefined for other instructions. */
export const taskPriorityBy = (cpu: Cpu, instruction: Instruction): number | undefined =>
  instruction.mnemonic === Mnemonic.Mov && instruction.op0Register === Register.CR8
    ? Number(readRegister(cpu, instruction.op1Register) & 15n)
    : undefined;

const bitsOf = (value: bigint): number[] =>
  Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (value >> BigInt(bit)) & 1n);
