/** The handlers of the built core by the key of their shape: what the build listed in the module. */

import { type Environment, pairKey, type Space, shapeKey, silentKey } from './shapes';

interface List {
  readonly hot64: readonly string[];
  readonly hot32: readonly string[];
  readonly cold: readonly string[];
  readonly reasons: readonly string[];
}

export class Handlers {
  private readonly numbers64 = new Map<string, number>();
  private readonly numbers32 = new Map<string, number>();
  private readonly variants64 = new Map<number, number>();
  private readonly variants32 = new Map<number, number>();
  private readonly sure = new Set<number>();
  readonly names: readonly string[];
  /** What the numbers in `state.faultReason` mean. */
  readonly reasons: readonly string[];

  constructor(module: WebAssembly.Module) {
    const [section] = WebAssembly.Module.customSections(module, 'handlers');
    const list = JSON.parse(new TextDecoder().decode(section)) as List;
    this.names = [...list.hot64, ...list.hot32, ...list.cold];
    this.reasons = list.reasons;
    const first32 = list.hot64.length;
    const firstCold = first32 + list.hot32.length;
    list.cold.forEach((key, index) => {
      this.numbers64.set(key, firstCold + index);
      this.numbers32.set(key, firstCold + index);
    });
    // A hot handler without memory and stack belongs to both; elsewhere than in its own function it works, colder.
    list.hot64.forEach((key, index) => {
      this.numbers64.set(key, index);
      this.numbers32.set(key, index);
    });
    for (const [index, key] of this.names.entries())
      if (index < firstCold && /\/[ri,]*\/$/.test(key)) this.sure.add(index);
    list.hot32.forEach((key, index) => {
      this.numbers32.set(key, first32 + index);
      if (!this.numbers64.has(key)) this.numbers64.set(key, first32 + index);
    });
  }

  /** The handler of a key, in flat 32-bit code or elsewhere. */
  find(key: string, flat32: boolean): number | undefined {
    return (flat32 ? this.numbers32 : this.numbers64).get(key);
  }

  /** Is it hot, and works on registers alone: can nothing stop it? */
  isSure(handler: number): boolean {
    return this.sure.has(handler);
  }

  /** The handler that executes both, or undefined. */
  pair(first: number, second: number, flat32: boolean): number | undefined {
    return this.variant(first * 65536 + second, flat32, () =>
      pairKey(this.names[first] ?? '', this.names[second] ?? ''),
    );
  }

  /** The handler that does the same and sets no flags, or undefined. */
  silent(handler: number, flat32: boolean): number | undefined {
    return this.variant(-handler - 1, flat32, () => silentKey(this.names[handler] ?? ''));
  }

  private variant(id: number, flat32: boolean, key: () => string): number | undefined {
    const variants = flat32 ? this.variants32 : this.variants64;
    let found = variants.get(id);
    if (found === undefined) {
      found = this.find(key(), flat32) ?? -1;
      variants.set(id, found);
    }
    return found < 0 ? undefined : found;
  }

  /** A handler that surely exists. */
  number(
    name: string,
    size: 16 | 32 | 64,
    form: string,
    environment: Environment,
    flat32: boolean,
    space: Space = '',
  ): number {
    const key = shapeKey(name, size, form, space, environment, 0);
    const found = this.find(key, flat32);
    if (found === undefined) throw new Error(`the core has no handler ${key}`);
    return found;
  }

  leaver(name: 'slow' | 'stale' | 'breakpoint' | 'link'): number {
    const found = this.numbers64.get(name);
    if (found === undefined) throw new Error(`the core has no handler ${name}`);
    return found;
  }
}
