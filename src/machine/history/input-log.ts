/**
 * All that comes into the machine from outside, at the step at which it came: keys, serial bytes, the debugger's own
 * edits. A run from the same start with the same log is the same run.
 */

import type { FieldName } from '../../x86/vmx/fields';

export type Input =
  /** Bytes that arrive at COM1. */
  | { readonly kind: 'serial'; readonly bytes: readonly number[] }
  /** Scan codes from the keyboard, in set 2; what the guest reads is translated to set 1 unless it says otherwise. */
  | { readonly kind: 'keys'; readonly scancodes: readonly number[] }
  /** Text typed on the keyboard, key by key as fast as the guest reads. */
  | { readonly kind: 'text'; readonly text: string }
  /** A register set by the debugger; the name is an expression's name for it: `rax`, `cr3`, `rflags`, `gs.base`. */
  | { readonly kind: 'register'; readonly vcpu: number; readonly name: string; readonly value: bigint }
  /** A control or debug register, RIP, RFLAGS or a segment register loaded with the processor's checks and consequences. */
  | { readonly kind: 'load'; readonly vcpu: number; readonly name: string; readonly value: bigint }
  /** A device's register written by the debugger, as a guest's write would; names as `devices/device.ts` gives them. */
  | { readonly kind: 'device'; readonly device: string; readonly register: string; readonly value: number }
  /**
   * Translations dropped from the TLBs: all; with `linear` those of a page, as INVLPG does; with `pcid` too, those of
   * that address space that are not global.
   */
  | { readonly kind: 'invalidate'; readonly vcpu: number; readonly linear?: bigint; readonly pcid?: number }
  /** A field of a VMCS set by the debugger, by its name; `vcpu` has it active, or it is in memory. */
  | {
      readonly kind: 'vmcs';
      readonly vcpu: number;
      readonly address: bigint;
      readonly field: FieldName;
      readonly value: bigint;
    }
  /** Physical memory written by the debugger. */
  | { readonly kind: 'memory'; readonly physical: number; readonly bytes: readonly number[] }
  /** An interrupt line pulsed, an NMI or INIT sent by the debugger. */
  | { readonly kind: 'interrupt'; readonly line: number }
  | { readonly kind: 'nmi'; readonly vcpu: number }
  | { readonly kind: 'init'; readonly vcpu: number }
  /** A start-up IPI: a vCPU that waits for one begins at `vector << 12`. */
  | { readonly kind: 'startup'; readonly vcpu: number; readonly vector: number }
  /** Only this vCPU takes turns from now on; null: all do. */
  | { readonly kind: 'only'; readonly vcpu: number | null }
  /** This vCPU takes no more turns until a reset. */
  | { readonly kind: 'stop'; readonly vcpu: number }
  | { readonly kind: 'reset' };

export interface LoggedInput {
  readonly step: number;
  readonly input: Input;
}

export class InputLog {
  readonly entries: LoggedInput[] = [];
  /** Entries before this one have been applied. */
  cursor = 0;

  /** New input at a step: what was logged for later belongs to another future now. @returns that future. */
  add(step: number, input: Input): readonly LoggedInput[] {
    const future = this.entries.splice(this.cursor);
    this.entries.push({ step, input });
    this.cursor = this.entries.length;
    return future;
  }

  /** Step of the next entry to be applied again; `Infinity` when there is none. */
  get nextStep(): number {
    return this.entries[this.cursor]?.step ?? Number.POSITIVE_INFINITY;
  }

  /** The entries due at a step, which then count as applied. */
  *due(step: number): Generator<Input> {
    for (let next = this.entries[this.cursor]; next && next.step <= step; next = this.entries[this.cursor]) {
      this.cursor++;
      yield next.input;
    }
  }
}
