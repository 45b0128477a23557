/** The guests of the benchmark: what they count, and their images for each engine. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../src/assembler/assemble';

export interface BenchGuest {
  readonly name: string;
  /** What is counted: instructions or events. */
  readonly unit: 'instructions' | 'events';
  /** Units in one round of the guest's count. */
  readonly each: number;
  /** Rounds of the long run; the short run has a tenth. */
  readonly rounds: number;
  readonly text: string;
  /** Is this for processors with VT-x? */
  readonly vmx?: true;
  /** The same program without a hypervisor. */
  readonly outside?: BenchGuest;
}

const folder = join(__dirname, 'guests');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** Straight-line code of so many instructions: five of arithmetic and memory, a compare and a branch, again and again. */
const wide = (instructions: number): string => {
  let seed = 12345;
  const pick = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  const registers = ['rax', 'rbx', 'rdx', 'rsi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13'];
  const register = () => registers[pick(registers.length)];
  const kinds = [
    () => `add ${register()}, ${register()}`,
    () => `xor ${register()}, ${register()}`,
    () => `sub ${register()}, ${pick(1000)}`,
    () => `lea ${register()}, [${register()}+${register()}*2+${pick(100)}]`,
    () => `mov ${register()}, [rdi+${pick(512) * 8}]`,
    () => `mov [rdi+${pick(512) * 8}], ${register()}`,
    () => `and ${register()}, ${register()}`,
    () => `mov ${register()}, ${register()}`,
    () => `add ${register()}, [rdi+${pick(512) * 8}]`,
  ];
  const lines = ['start: mov rcx, [count]', ' mov rdi, 0x300000', '.round:'];
  for (let n = 0, label = 0; n < instructions; n += 7, label++) {
    for (let k = 0; k < 5; k++) lines.push(` ${kinds[pick(kinds.length)]?.()}`);
    lines.push(` cmp ${register()}, ${register()}`, ` jb .b${label}`, `.b${label}:`);
  }
  return [...lines, ' dec rcx', ' jnz .round', ' jmp finish', ''].join('\n');
};

const events = (name: string, rounds: number): BenchGuest => ({
  name,
  unit: 'events',
  each: 1,
  rounds,
  text: read(`${name}.asm`) + read('events.inc'),
});

/** Runs under a hypervisor with these secondary controls. `text` names what exits go to, and the guest. */
const underVmx = (name: string, secondary: number, guest: Omit<BenchGuest, 'name' | 'vmx'>): BenchGuest => ({
  ...guest,
  name,
  text: `start: mov ebx, ${secondary}\n jmp launch\n${guest.text}${read('vmx.inc')}`,
  vmx: true,
});
const EPT_AND_VPID = 0x22;
const exits = (name: string, secondary: number): BenchGuest =>
  underVmx(name, secondary, { unit: 'events', each: 1, rounds: 1_000_000, text: read('vmexit.asm') });
/** A program that never exits, in a guest with EPT and VPID. */
const inGuest = (guest: BenchGuest): BenchGuest =>
  underVmx(`${guest.name} under EPT`, EPT_AND_VPID, {
    ...guest,
    outside: guest,
    text: `exited: jmp exited\n${guest.text.replace(/^start:/m, 'guest:')}`,
  });

const programs: readonly BenchGuest[] = [
  { name: 'alu', unit: 'instructions', each: 10.5, rounds: 20_000_000, text: read('alu.asm') },
  { name: 'memory', unit: 'instructions', each: 4096 * 9 + 4, rounds: 5000, text: read('memory.asm') },
  { name: 'calls', unit: 'instructions', each: 26_000, rounds: 8000, text: read('calls.asm') },
];

export const guests: readonly BenchGuest[] = [
  ...programs,
  { name: 'wide 700', unit: 'instructions', each: 702, rounds: 200_000, text: wide(700) },
  { name: 'wide 2800', unit: 'instructions', each: 2802, rounds: 50_000, text: wide(2800) },
  { name: 'wide 10500', unit: 'instructions', each: 10_502, rounds: 10_000, text: wide(10_500) },
  events('int', 3_000_000),
  events('ud', 3_000_000),
  events('pf', 3_000_000),
  events('syscall', 5_000_000),
  events('int80', 3_000_000),
  exits('vmexit', 0),
  exits('vmexit-ept', EPT_AND_VPID),
  ...programs.map(inGuest),
];

/** The guest as it lies at 0x10000, with its number of rounds. */
export const image = (guest: BenchGuest, rounds: number): Uint8Array => {
  const { bytes, errors } = assemble(read('head.inc') + guest.text, { file: `${guest.name}.asm` });
  if (errors.length > 0)
    throw new Error(errors.map(({ line, message }) => `${guest.name}:${line}: ${message}`).join('\n'));
  const copy = bytes.slice();
  new DataView(copy.buffer).setBigUint64(8, BigInt(rounds), true);
  return copy;
};

/** A disk for Bochs and QEMU: the boot sector, then the guest; whole cylinders. */
export const disk = (guest: BenchGuest, rounds: number): Uint8Array => {
  const body = image(guest, rounds);
  const { bytes, errors } = assemble(read('boot.asm'), { file: 'boot.asm' });
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  const sectors = Math.ceil(body.length / 512);
  const whole = new Uint8Array(Math.ceil((1 + sectors) / 1008) * 1008 * 512);
  whole.set(bytes);
  whole.set(body, 512);
  new DataView(whole.buffer).setUint16(508, sectors, true);
  return whole;
};
