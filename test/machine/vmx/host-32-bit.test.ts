/** A hypervisor outside IA-32e mode: 64-bit fields are read and written by halves, and an exit loads a 32-bit host. */

import { expect, test } from 'vitest';
import { boot } from '../../guest';
import { pages } from './hypervisor';

const TABLE = pages.spare;

const write = (field: number, value: number | string): string => `
        mov edx, 0x${field.toString(16)}
        mov eax, ${value}
        vmwrite edx, eax
        jbe broken`;
const copy = (register: string, ...fields: readonly number[]): string =>
  fields.map((field) => write(field, register)).join('');
const segment = (number: number, selector: number, rights: number, limit: number): string =>
  write(0x800 + number * 2, selector) + write(0x4800 + number * 2, limit) + write(0x4814 + number * 2, rights);
const controls = (field: number, msr: number, wanted: number): string => `
        mov ecx, ${msr}
        rdmsr
        or eax, ${wanted}
        and eax, edx
        mov edx, ${field}
        vmwrite edx, eax
        jbe broken`;

const DATA = 0xc093;
const CODE = 0xc09b;
const UNUSABLE = 0x10000;
const FLAT = 0xffffffff;
/** Of CS, SS, DS, ES and TR; bits 7:0 are 0. */
const hostSelectors: readonly (readonly [number, number])[] = [
  [0xc00, 16],
  [0xc02, 8],
  [0xc04, 16],
  [0xc06, 16],
  [0xc0c, 24],
];

const source = `bits 32
        org 0x100000
start:  mov ecx, 0x3a
        mov eax, 5
        xor edx, edx
        wrmsr
        ; Pages of 4 MiB, linear = physical.
        mov edi, ${TABLE}
        mov eax, 0x83
.entry: mov [edi], eax
        add edi, 4
        add eax, 0x400000
        cmp edi, ${TABLE + 0x1000}
        jb .entry
        mov eax, ${TABLE}
        mov cr3, eax
        mov eax, cr4
        or eax, 0x2010
        mov cr4, eax
        mov eax, cr0
        or eax, 0x80000021
        mov cr0, eax
        lgdt [gdt_register]
        jmp 8:.flat
.flat:  mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0x90000
        mov ecx, 0x480
        rdmsr
        mov [${pages.vmxon}], eax
        mov [${pages.vmcs}], eax
        vmxon [vmxon_pointer]
        jbe broken
        vmclear [vmcs_pointer]
        jbe broken
        vmptrld [vmcs_pointer]
        jbe broken
        ${controls(0x4000, 0x481, 0)}
        ${controls(0x4002, 0x482, 0)}
        ${controls(0x400c, 0x483, 0)}
        ${controls(0x4012, 0x484, 0)}
        ${write(0x2800, -1)}
        ${write(0x2801, -1)}
        mov ebx, cr0
        ${copy('ebx', 0x6800, 0x6c00)}
        mov ebx, cr3
        ${copy('ebx', 0x6802, 0x6c02)}
        mov ebx, cr4
        ${copy('ebx', 0x6804, 0x6c04)}
        ${[0, 2, 3].map((number) => segment(number, 16, DATA, FLAT)).join('')}
        ${segment(1, 8, CODE, FLAT)}
        ${[4, 5, 6].map((number) => segment(number, 0, UNUSABLE, 0)).join('')}
        ${segment(7, 24, 0x8b, 0x67)}
        ${hostSelectors.map(([field, selector]) => write(field, selector)).join('')}
        ${write(0x681a, 0x400)}
        ${write(0x681c, 0x80000)}
        ${write(0x681e, 'guest')}
        ${write(0x6820, 2)}
        ${write(0x6c14, 0x90000)}
        ${write(0x6c16, 'host')}
        ; TSC offset: a write of all of it clears the upper half, which is then written alone.
        ${write(0x2011, -1)}
        ${write(0x2010, 0x55)}
        mov edx, 0x2011
        vmread [cleared], edx
        ${write(0x2011, 0x12345678)}
        vmlaunch
broken: mov al, 0x7f
        out 0xf4, al
host:   mov [host_stack], esp
        mov edx, 0x2010
        vmread [low], edx
        mov edx, 0x2011
        vmread [high], edx
        mov edx, 0x681e
        vmread [guest_rip], edx
        mov edx, 0x4402
        vmread eax, edx
        out 0xf4, al
guest:  mov eax, 0x1234
.exits: cpuid
align 8
vmxon_pointer: dq ${pages.vmxon}
vmcs_pointer: dq ${pages.vmcs}
cleared: dd -1, 0
low:    dd -1, 0
high:   dd -1, 0
guest_rip: dd 0, -1
host_stack: dd 0
gdt:    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00008b3040000067
gdt_register: dw 31
        dd gdt
`;

test('a 32-bit hypervisor enters a 32-bit guest, and an exit comes back to it', () => {
  const guest = boot(source, {}, ['vmentry', 'vmexit', 'vmfail', 'trap']);
  expect(guest.run(100_000)).toEqual({ reason: 'guest-exit', value: 10 });
  expect(guest.events.map(({ kind }) => kind)).toEqual(['vmentry', 'vmexit']);
  expect(guest.memory(guest.symbol('cleared'), 8)).toBe(0n);
  expect(guest.memory(guest.symbol('low'), 8)).toBe(0x55n);
  expect(guest.memory(guest.symbol('high'), 8)).toBe(0x12345678n);
  // "VMREAD" and "VMWRITE": outside 64-bit mode operands have 32 bits.
  expect(guest.memory(guest.symbol('guest_rip'), 8)).toBe(0xffff_ffff_0000_0000n | guest.symbol('guest.exits'));
  expect(guest.memory(guest.symbol('host_stack'), 4)).toBe(0x90000n);
  const { state } = guest.machine.cpus[0] as (typeof guest.machine.cpus)[0];
  // CS: D is 1 and L is 0; the host's FS is unusable.
  expect(state.segmentAccess(1)).toBe(CODE);
  expect(state.segmentAccess(4) & UNUSABLE).toBe(UNUSABLE);
  expect(state.efer & 0x500n).toBe(0n);
});
