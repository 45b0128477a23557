/**
 * What the present tables map, as ranges with equal rights, in order of addresses; for people: nothing is marked, and
 * devices are peeked. Tables that are used many times over are looked at once where they say one thing only, so that
 * spaces of any size and shape are listed fast.
 */

import { CR4, EFER } from '../../x86/control-registers';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';
import { type AddressView, peekGuestPhysical, presentView } from './look';
import { type PagingMode, pagingMode } from './page-walk';

export interface MappedRange {
  /** First and behind the last, as numbers of 4 KiB pages below 2^36 (48-bit addresses). */
  readonly from: number;
  readonly to: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly noExecute: boolean;
  /** Number of the first physical page, guest-physical under EPT, where the whole range is contiguous there. */
  readonly frame: number | undefined;
}

/** Rights as one number: bits of an entry, XD as the lowest. */
const RW = 2;
const US = 4;
const XD = 1;
const FULL = RW | US;

/** What all of a table says, relative to its first page; undefined when not one thing. */
type Uniform = { readonly rights: number; readonly frame: number | undefined } | 'empty' | undefined;

interface Shape {
  readonly entries: number;
  readonly bytes: 4 | 8;
  /** Pages that one entry spans, from the top. */
  readonly spans: readonly number[];
}

const shapes: Readonly<Record<Exclude<PagingMode, 'none'>, Shape>> = {
  '4-level': { entries: 512, bytes: 8, spans: [512 ** 3, 512 ** 2, 512, 1] },
  pae: { entries: 512, bytes: 8, spans: [512 ** 2, 512, 1] },
  '32-bit': { entries: 1024, bytes: 4, spans: [1024, 1] },
};

class Listing {
  private readonly shape: Shape;
  private readonly known = new Map<string, Uniform>();
  private readonly tables = new Map<number, Uint32Array>();
  private readonly beyond: number;
  private pending: MappedRange | undefined;

  constructor(
    private readonly cpu: Cpu,
    private readonly mode: Exclude<PagingMode, 'none'>,
    private readonly first: number,
    private readonly view: AddressView,
  ) {
    this.shape = shapes[mode];
    this.beyond = (-(2 ** (cpu.model.physicalBits - 32)) | 0) & 0xfffff;
  }

  *ranges(): Generator<MappedRange> {
    const cr3 = this.view.state.getU32(layout.cr3);
    if (this.mode === 'pae') {
      const span = this.shape.spans[0] as number;
      for (let slot = 0; slot < 4; slot++) {
        const low = this.view.state.getU32(layout.pdpte + slot * 8);
        const high = this.view.state.getU32(layout.pdpte + slot * 8 + 4);
        if (low & 1) yield* this.table(frameOf(low, high), 1, slot * span, FULL);
      }
    } else {
      const high = this.mode === '4-level' ? this.view.state.getU32(layout.cr3 + 4) : 0;
      yield* this.table(frameOf(cr3, high), 0, 0, FULL);
    }
    if (this.pending) yield this.pending;
  }

  private *table(frame: number, level: number, base: number, above: number): Generator<MappedRange> {
    const { entries, spans } = this.shape;
    const span = spans[level] as number;
    for (let index = Math.max(0, Math.floor((this.first - base) / span)); index < entries; index++) {
      const from = base + index * span;
      const entry = this.entry(frame, level, index);
      if (entry === undefined) continue;
      const rights = join(above, entry.rights);
      if (entry.leaf) yield* this.piece(from, span, rights, entry.frame);
      else {
        const inner = this.uniform(entry.frame, level + 1);
        if (inner === 'empty') continue;
        if (inner === undefined) yield* this.table(entry.frame, level + 1, from, rights);
        else yield* this.piece(from, span, join(rights, inner.rights), inner.frame);
      }
    }
  }

  /** Joins a piece with the one before it, which goes out when it ends. */
  private *piece(from: number, pages: number, rights: number, frame: number | undefined): Generator<MappedRange> {
    if (from + pages <= this.first) return;
    const { pending } = this;
    const flags = { writable: (rights & RW) !== 0, user: (rights & US) !== 0, noExecute: (rights & XD) !== 0 };
    if (
      pending?.to === from &&
      pending.writable === flags.writable &&
      pending.user === flags.user &&
      pending.noExecute === flags.noExecute
    ) {
      const goesOn = pending.frame !== undefined && frame === pending.frame + (from - pending.from);
      this.pending = { ...pending, to: from + pages, frame: goesOn ? pending.frame : undefined };
      return;
    }
    this.pending = { from, to: from + pages, ...flags, frame };
    if (pending) yield pending;
  }

  private uniform(frame: number, level: number): Uniform {
    const key = `${frame}:${level}`;
    if (this.known.has(key)) return this.known.get(key);
    const found = this.summary(frame, level);
    this.known.set(key, found);
    return found;
  }

  private summary(frame: number, level: number): Uniform {
    const { entries, spans } = this.shape;
    const span = spans[level] as number;
    let all: Uniform;
    for (let index = 0; index < entries; index++) {
      const one = this.summaryOf(frame, level, index);
      if (one === undefined) return undefined;
      if (index === 0) all = one;
      else if (one === 'empty' || all === 'empty') {
        if (one !== all) return undefined;
      } else if (all !== undefined) {
        if (one.rights !== all.rights) return undefined;
        if (all.frame !== undefined && one.frame !== all.frame + index * span) all = { ...all, frame: undefined };
      }
    }
    return all;
  }

  private summaryOf(frame: number, level: number, index: number): Uniform {
    const entry = this.entry(frame, level, index);
    if (entry === undefined) return 'empty';
    if (entry.leaf) return { rights: entry.rights, frame: entry.frame };
    const inner = this.uniform(entry.frame, level + 1);
    if (inner === undefined || inner === 'empty') return inner;
    return { rights: join(entry.rights, inner.rights), frame: inner.frame };
  }

  /** A present entry whose reserved bits are 0. */
  private entry(
    frame: number,
    level: number,
    index: number,
  ): { rights: number; frame: number; leaf: boolean } | undefined {
    const words = this.words(frame);
    const { bytes, spans } = this.shape;
    const low = words[(index * bytes) >>> 2] as number;
    if (!(low & 1)) return undefined;
    const high = bytes === 8 ? (words[index * 2 + 1] as number) : 0;
    const { model } = this.cpu;
    const { state } = this.view;
    const nx = (state.getU32(layout.efer) & EFER.NXE) !== 0;
    if (high & this.beyond || (high >>> 31 && !nx)) return undefined;
    const rights = (low & (RW | US)) | (high >>> 31 ? XD : 0);
    const last = level === spans.length - 1;
    if (last || !(low & 0x80)) return { rights, frame: frameOf(low, high), leaf: last };
    if (bytes === 4) {
      if (!(state.getU32(layout.cr4) & CR4.PSE)) return { rights, frame: frameOf(low, high), leaf: false };
      // PSE-36: bits 20:13 are bits 39:32 of the address.
      return { rights, frame: ((low & 0xffc00000) >>> 12) + ((low >>> 13) & 0xff) * 2 ** 20, leaf: true };
    }
    const span = spans[level] as number;
    if (span > 512 ** 2 || (span === 512 ** 2 && !model.has('pdpe1gb'))) return undefined;
    const whole = frameOf(low, high);
    return { rights, frame: whole - (whole % span), leaf: true };
  }

  private words(frame: number): Uint32Array {
    let words = this.tables.get(frame);
    if (words === undefined) {
      const host = peekGuestPhysical(this.cpu, frame * 4096, this.view);
      words =
        host === undefined
          ? new Uint32Array(1024)
          : new Uint32Array(this.cpu.physical.peekBytes(host, 4096).slice().buffer);
      this.tables.set(frame, words);
    }
    return words;
  }
}

const frameOf = (low: number, high: number): number => (low >>> 12) + (high & 0xfffff) * 2 ** 20;

/** Rights of an access through both: what one forbids is forbidden. */
const join = (above: number, below: number): number => (above & below & FULL) | ((above | below) & XD);

/** Ranges that end behind a page, lazily; none while paging is off. Tables that EPT hides map nothing. */
export const mappedRanges = (cpu: Cpu, first = 0, view = presentView(cpu)): Generator<MappedRange> => {
  const mode = pagingMode(view.state);
  return mode === 'none' ? (function* () {})() : new Listing(cpu, mode, first, view).ranges();
};
