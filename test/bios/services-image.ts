/** A boot sector that makes all the calls of service-cases.ts and sends what it finds after each to port 0xE9. */

import { assemble } from '../guest';
import { DISK_SECTORS, type ServiceCase, serviceCases, TEXT } from './service-cases';

/** Registers as PUSHAD and PUSHF leave them. */
const pushed = ['edi', 'esi', 'ebp', 'esp', 'ebx', 'edx', 'ecx', 'eax'];
const REGISTERS = 34;
/** Sectors of the disk before those that are filled with their numbers. */
const CODE_SECTORS = 30;

const callOf = ({ setup, interrupt, memory }: ServiceCase): string => `
        ${setup}
        int     ${interrupt}
        call    dump_registers
        ${memory ? `push dword ${memory[0]}\npush word ${memory[1].length}\ncall dump_memory` : ''}`;

const source = `
bits 16
org 0x7c00
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x5f00
        mov     ax, 0x0200 + ${CODE_SECTORS - 1}
        mov     cx, 2
        mov     dx, 0x0080
        mov     bx, 0x7e00
        int     0x13
        jmp     calls

dump_registers:
        pushf
        pushad
        cld
        mov     si, sp
        mov     cx, ${REGISTERS}
.next:  ss lodsb
        out     0xe9, al
        loop    .next
        popad
        popf
        ret
; Linear address below 1 MiB, length.
dump_memory:
        push    bp
        mov     bp, sp
        pushad
        mov     cx, [bp + 4]
        mov     eax, [bp + 6]
        mov     si, ax
        and     si, 0xf
        shr     eax, 4
        mov     ds, ax
        jcxz    .end
.next:  lodsb
        out     0xe9, al
        loop    .next
.end:   xor     ax, ax
        mov     ds, ax
        popad
        pop     bp
        ret     6
        times   510 - ($ - $$) db 0
        dw      0xaa55
calls:  mov     word [${TEXT}], 'Hi'
${serviceCases.map(callOf).join('\n')}
        mov     al, 0
        out     0xf4, al
`;

export interface Result {
  readonly registers: Record<string, number>;
  readonly memory: readonly number[];
}

export const resultsOf = (dump: string): Result[] => {
  const bytes = Uint8Array.from(dump, (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  return serviceCases.flatMap(({ memory }) => {
    // The guest came no further.
    if (at + REGISTERS > bytes.length) return [];
    const registers: Record<string, number> = {};
    for (const [n, name] of pushed.entries()) {
      const value = view.getUint32(at + n * 4, true);
      registers[name] = value;
      registers[name.slice(1)] = value & 0xffff;
      if (name.endsWith('x')) {
        registers[`${name[1]}l`] = value & 0xff;
        registers[`${name[1]}h`] = (value >> 8) & 0xff;
      }
    }
    const flags = view.getUint16(at + 32, true);
    Object.assign(registers, { cf: flags & 1, zf: (flags >> 6) & 1 });
    const length = memory?.[1].length ?? 0;
    const found = [...bytes.subarray(at + REGISTERS, at + REGISTERS + length)];
    at += REGISTERS + length;
    return [{ registers, memory: found }];
  });
};

export const image = new Uint8Array(DISK_SECTORS * 512);
for (let sector = CODE_SECTORS; sector < DISK_SECTORS; sector++) image.fill(sector, sector * 512, (sector + 1) * 512);
image.set(assemble(source).segments[0]?.bytes ?? []);
