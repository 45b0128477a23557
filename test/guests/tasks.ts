/** Further conditions of tasks, gates and segments. Intel SDM vol. 3, "Task Switching", "Call Gates", "Protection". */

import { trial } from './trial';

const drop = (label: string) => `
        mov eax, ${label}
        mov edx, 2
        jmp to_ring3
`;
/** A second TSS at 0x52000, selector 0x58, that starts at `label`, with further instructions. */
const task = (label: string, more = '') => `
        mov edi, 0x52000
        xor eax, eax
        mov ecx, 0x20
        rep stosd
        mov dword [0x52000+0x20], ${label}
        mov dword [0x52000+0x24], 2
        mov dword [0x52000+0x38], 0x7a000
        mov dword [0x52000+0x48], 0x10
        mov dword [0x52000+0x4c], 0x08
        mov dword [0x52000+0x50], 0x10
        mov dword [0x52000+0x54], 0x10
        mov dword [gdt+0x58], 0x20000067
        mov dword [gdt+0x5c], 0x00008905
        ${more}
        mov dword [resume], back
        jmp 0x58:0
        mov al, 99
        jmp failed
back:
`;
/** The fault is raised in the new task. */
const inNewTask = (vector: number, code: number) => `
        expect dword [saved_vector], ${vector}
        expect dword [saved_code], ${code}
        str ax
        expect ax, 0x58
`;

export const taskTrials = [
  trial(
    'a new task with a null CS is #TS(0) in the new task',
    32,
    `
        ${task('passed', 'mov dword [0x52000+0x4c], 0')}
        ${inNewTask(10, 0)}`,
    { more: [{ vector: 10, errorCode: 0, rule: 'task.code-null' }] },
  ),
  trial(
    'a new task whose CS is data is #TS(selector)',
    32,
    `
        ${task('passed', 'mov dword [0x52000+0x4c], 0x10')}
        ${inNewTask(10, 0x10)}`,
    { more: [{ vector: 10, errorCode: 0x10, rule: 'task.code-type' }] },
  ),
  trial(
    'a new task whose CS is of another ring is #TS(selector)',
    32,
    `
        ${task('passed', 'mov dword [0x52000+0x4c], 0x20')}
        ${inNewTask(10, 0x20)}`,
    { more: [{ vector: 10, errorCode: 0x20, rule: 'task.code-dpl' }] },
  ),
  trial(
    'a new task whose LDT is no LDT is #TS(selector), before it has a stack',
    32,
    `
        ${task('passed', 'mov dword [0x52000+0x60], 0x10')}`,
    {
      ends: 'triple-fault',
      more: [
        { vector: 10, errorCode: 0x10, rule: 'task.ldt-type' },
        { vector: 8, errorCode: 0, rule: 'double-fault' },
      ],
    },
  ),
  trial(
    'a new task whose CS is not present is #NP(selector)',
    32,
    `
        mov dword [gdt+0x60], 0xffff
        mov dword [gdt+0x64], 0x00cf1b00
        ${task('passed', 'mov dword [0x52000+0x4c], 0x60')}
        ${inNewTask(11, 0x60)}`,
    { more: [{ vector: 11, errorCode: 0x60, rule: 'task.code-not-present' }] },
  ),
  trial(
    'the T flag of a TSS traps before the first instruction of the task',
    32,
    `
        ${task('passed', 'mov word [0x52000+0x64], 1')}
        expect dword [saved_vector], 1
        expect dword [saved_rip], passed
        mov eax, [saved_dr6]
        and eax, 0x8000
        expect eax, 0x8000`,
    { more: [{ vector: 1, rule: 'task.trap' }] },
  ),
  trial(
    'selectors of data segments: RPL and CPL against the DPL',
    32,
    `
        mov ax, 0x13
        fault 13 code=0x10 data-segment.rpl: mov fs, ax
        ${drop('user1')}
user1:  mov ax, 0x10
        fault 13 code=0x10 data-segment.cpl: mov fs, ax
        fault 13 code=8 code-segment.rpl: jmp 0x0b:0`,
  ),
  trial(
    'far branches: conforming code of an outer ring, and the limit',
    32,
    `
        mov dword [gdt+0x58], 0xffff
        mov dword [gdt+0x5c], 0x00cfff00
        fault 13 code=0x58 code-segment.conforming-dpl: jmp 0x58:0
        mov dword [gdt+0x5c], 0x00409b00
        fault 13 code=0 code-segment.beyond-limit: jmp 0x58:0x10000
        mov dword [gdt+0x60], 0x580000
        mov dword [gdt+0x64], 0x00018c00
        fault 13 code=0 code-segment.beyond-limit: jmp 0x60:0`,
  ),
  trial(
    'gates: the RPL of their selector, and a code segment of an outer ring',
    32,
    `
        mov dword [gdt+0x60], 0x80000
        mov dword [gdt+0x64], 0x00018c00
        fault 13 code=0x60 gate.rpl: call 0x63:0
        mov dword [gdt+0x60], 0x200000
        fault 13 code=0x20 gate.code-dpl: call 0x60:0`,
  ),
  trial(
    'LTR and LLDT: the GDT only, and present',
    32,
    `
        mov dword [gdt+0x58], 0x20000067
        mov dword [gdt+0x5c], 0x00000905
        mov ax, 0x58
        fault 11 code=0x58 ltr.not-present: ltr ax
        mov ax, 0x5c
        fault 13 code=0x5c system.local: ltr ax
        fault 13 code=0x5c system.local: lldt ax
        fault 13 code=0x5c transfer.type: jmp 0x5c:0`,
  ),
  trial(
    'PCIDs and the bits of CR0, CR3 and CR4 that go together',
    64,
    `
        mov rax, cr3
        or eax, 8
        mov cr3, rax
        mov rbx, cr4
        bts rbx, 17
        fault 13 code=0 cr4.pcide-needs-pcid-0: mov cr4, rbx
        mov ecx, 0xffff
        fault 13 code=0 rdpmc.counter: rdpmc`,
  ),
];
