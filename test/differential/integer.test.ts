/** Integer instructions against the processor at hand: random sequences, registers, flags, memory and exceptions compared. */

import { expect, test } from 'vitest';
import { DATA, DATA_SIZE, Generator, type Case, CODE, CODE_SIZE } from './cases';
import { decode } from './encodings';
import { Native, type Outcome } from './native';
import { Random } from './random';
import { Simulated } from './simulated';
import { Formatter, FormatterSyntax } from 'iced-x86';

const CASES = Number(process.env.RINGSIDE_DIFFERENTIAL_CASES ?? 200_000);
const BATCH = 4000;
const native = Native.open();
const strict = process.env.RINGSIDE_STRICT_FLAGS !== undefined;
test('x', () => {
  if (typeof native === 'string') throw new Error(native);
  const bits = Number(process.env.BITS ?? 64) as 32 | 64;
  const random = new Random(Number(process.env.SEED ?? 1));
  const t0 = Date.now();
  const data = DATA;
  const generator = new Generator(bits, random, (m) => native.supports(m) && (!process.env.ONLY || new RegExp(process.env.ONLY).test(m)), data + 0x1000n);
  const t1 = Date.now();
  console.log('encodings', generator.mnemonics.size, t1 - t0);
  const sim = new Simulated({ bits, segmented: process.env.SEGMENTED !== undefined, stepping: process.env.STEPPING !== undefined });
  const time = { gen: 0, native: 0, sim: 0 };
  const bad = new Map<string, { n: number; text: string }>();
  const vectors = new Map<number, number>();
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const N = Number(process.env.LEN ?? 1);
  for (let done = 0; done < CASES; done += BATCH) {
    const a = performance.now();
    const template = Uint8Array.from({ length: DATA_SIZE }, () => random.u32());
    const cases = Array.from({ length: BATCH }, (_, slot) => generator.next(slot, 1 + random.below(N)));
    const b = performance.now();
    const want = native.run(cases, bits, data, template);
    const c = performance.now();
    const got = sim.run(cases, data, template);
    const d = performance.now();
    time.gen += b - a; time.native += c - b; time.sim += d - c;
    cases.forEach((one, slot) => {
      const w = want[slot] as Outcome, g = got[slot] as Outcome;
      vectors.set(w.vector, (vectors.get(w.vector) ?? 0) + 1);
      const diff = differs(one, w, g);
      if (!diff) return;
      const text: string[] = [];
      let at = 0;
      let first = '';
      while (at < one.code.length) {
        const i = decode([...one.code.subarray(at, at + 15)], bits, CODE + BigInt(slot * CODE_SIZE + at));
        const line = formatter.format(i);
        text.push(line);
        first ||= line.split(' ').slice(0, 2).join(' ');
        at += i.length || 1;
        i.free();
      }
      const key = (N === 1 ? first.replace(/[a-z0-9]+,.*/, '') : '') + ' ' + diff.replace(/\d+n/g, '').replace(/0x[0-9a-f]+/g, '#').slice(0, 60);
      const known = bad.get(key);
      if (known) known.n++;
      else bad.set(key, { n: 1, text: `${text.join('; ')}\n   ${diff}\n   gpr ${[...one.gpr].map((v) => v.toString(16)).join(' ')} fl ${one.flags.toString(16)}` });
    });
  }
  console.log(time, [...vectors]);
  for (const [key, { n, text }] of [...bad].sort((x, y) => y[1].n - x[1].n).slice(0, Number(process.env.SHOW ?? 25))) console.log(n, key, '\n  ', text);
  expect(bad.size).toBe(0);
}, 600_000);

const names = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const differs = (one: Case, w: Outcome, g: Outcome): string => {
  const out: string[] = [];
  if (w.vector !== g.vector && !(w.vector === 12 && g.vector === 13)) out.push(`vector native ${w.vector} core ${g.vector}`);
  if (w.vector === 14 && w.address !== g.address) out.push(`cr2 0x${w.address.toString(16)} 0x${g.address.toString(16)}`);
  if (w.rip !== g.rip) out.push(`rip 0x${w.rip.toString(16)} core 0x${g.rip.toString(16)}`);
  w.gpr.forEach((v, n) => { if (v !== g.gpr[n]) out.push(`${names[n]} 0x${v.toString(16)} core 0x${(g.gpr[n] as bigint).toString(16)}`); });
  const mask = strict ? 0xcd5 : 0xcd5 & ~one.undefinedFlags;
  const f = (w.flags ^ g.flags) & mask;
  if (f) out.push(`flags ${[[1,'CF'],[4,'PF'],[16,'AF'],[64,'ZF'],[128,'SF'],[0x400,'DF'],[0x800,'OF']].filter(([b]) => f & (b as number)).map(([b, n]) => `${n}=${w.flags & (b as number) ? 1 : 0}`).join(' ')}`);
  if (w.sum !== g.sum) out.push('memory');
  return out.join(', ');
};
