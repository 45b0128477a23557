/** An instruction on its way to bytes: its operands evaluated, its prefixes gathered, the place it will stand at. */

import type { EffectiveAddress } from './address';
import type { Place } from './diagnostics';
import type { Bits } from './forms';
import type { NamedInstruction } from './mnemonics';
import type { Decorations, Distance, Rounding } from './operands';
import type { Register } from './registers';
import type { Section } from './sections';
import type { Value } from './value';

export interface Prefixes {
  readonly lock: boolean;
  /** F2, F3 or none: REP and its kin, BND, XACQUIRE, XRELEASE. */
  readonly repeat: number | undefined;
  readonly wait: boolean;
  readonly segment: Register | undefined;
  readonly operandSize: 16 | 32 | 64 | undefined;
  readonly addressSize: 16 | 32 | 64 | undefined;
  readonly encoding: 'vex' | 'vex2' | 'vex3' | 'evex' | undefined;
}

interface Common extends Place {
  /** From a size word, in bytes. */
  readonly size?: number;
}

export type Operand = Common &
  (
    | {
        readonly kind: 'register';
        readonly register: Register;
        readonly decorations: Decorations;
        readonly to: boolean;
        readonly distance?: Distance;
      }
    | {
        readonly kind: 'memory';
        readonly address: EffectiveAddress;
        readonly decorations: Decorations;
        readonly far: boolean;
      }
    | {
        readonly kind: 'immediate';
        readonly value: Value;
        readonly strict: boolean;
        readonly distance?: Distance;
      }
    | { readonly kind: 'far-pointer'; readonly segment: Value; readonly offset: Value }
  );

export interface Instruction extends Place {
  /** As written, in lower case. */
  readonly name: string;
  readonly named: NamedInstruction;
  readonly operands: readonly Operand[];
  readonly rounding: Rounding | undefined;
  readonly prefixes: Prefixes;
  readonly bits: Bits;
  /** Where the first byte stands while the program runs. */
  readonly address: bigint;
  /** Where relative targets count from the same base; undefined outside of sections. */
  readonly section: Section | undefined;
  /** Only forms for targets and numbers of any size, because the passes do not settle otherwise. */
  readonly keepLong: boolean;
}
