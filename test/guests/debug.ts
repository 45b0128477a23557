/** Debug exceptions. Intel SDM vol. 3, "Debug, Branch Profile, TSC, and Intel Resource Director Technology Features". */

import { trial } from './trial';

/** A handler of #DB that counts in RBP, sums DR6 in RBX, notes the RIP in R12, clears DR6, and returns with RF. */
const handler = `
        mov rax, on_debug
        mov [0x13000+16], ax
        xor ebp, ebp
        xor ebx, ebx
        jmp go
on_debug: push rax
        inc ebp
        mov rax, dr6
        and eax, 0xe00f
        or ebx, eax
        xor eax, eax
        mov dr6, rax
        mov r12, [rsp+8]
        or dword [rsp+24], 0x10000
        pop rax
        iretq
go:
`;
const trap = (on: boolean) => `
        pushfq
        ${on ? 'or qword [rsp], 0x100' : 'and qword [rsp], ~0x100'}
        popfq
`;
const arm = (register: number, address: string, control: number) => `
        mov rax, ${address}
        mov dr${register}, rax
        mov eax, ${control}
        mov dr7, rax
`;
const steps = (
  rule: 'debug.single-step' | 'debug.write' | 'debug.access' | 'debug.execute' | 'debug.port',
  count = 1,
) => Array.from({ length: count }, () => ({ vector: 1, rule }) as const);

export const debugTrials = [
  trial(
    'TF traps after each instruction from the one behind POPF on',
    64,
    `
        ${handler}
        ${trap(true)}
        nop
        inc ecx
        ${trap(false)}
        expect ebp, 5
        expect ebx, 0x4000`,
    { more: steps('debug.single-step', 5) },
  ),
  trial(
    'TF traps after each iteration of REP',
    64,
    `
        ${handler}
        mov edi, 0x50000
        mov ecx, 5
        ${trap(true)}
        rep stosb
        ${trap(false)}
        expect ebp, 8`,
    { more: steps('debug.single-step', 8) },
  ),
  trial(
    'INT n clears TF for its handler, and the trap comes behind IRET',
    64,
    `
        ${handler}
        mov rax, soft
        mov [0x13000+0x30*16], ax
        ${trap(true)}
        int 0x30
        nop
        ${trap(false)}
        jmp done
soft:   pushfq
        pop rdx
        and edx, 0x100
        mov r13d, ebp
        iretq
done:   expect edx, 0
        expect r13d, 0
        expect ebp, 4`,
    { more: steps('debug.single-step', 4) },
  ),
  trial(
    'a fault under TF: its handler is not traced',
    64,
    `
        ${handler}
        mov rax, on_ud
        mov [0x13000+6*16], ax
        ${trap(true)}
        ud2
        nop
        ${trap(false)}
        jmp done
on_ud:  mov r13d, ebp
        add qword [rsp], 2
        iretq
done:   expect r13d, 0
        expect ebp, 4`,
    {
      more: [{ vector: 6, rule: 'opcode.undefined' }, ...steps('debug.single-step', 4)],
    },
  ),
  trial(
    'MOV SS holds a trap back for one instruction',
    64,
    `
        ${handler}
        mov eax, 0x10
        ${trap(true)}
        mov ss, ax
        nop
        nop
        ${trap(false)}
        expect ebp, 5`,
    { more: steps('debug.single-step', 5) },
  ),
  trial(
    'an instruction breakpoint is a fault, and RF lets it pass',
    64,
    `
        ${handler}
        ${arm(0, 'here', 1)}
        inc ecx
here:   inc edx
        expect ebp, 1
        expect ebx, 1
        expect r12, here`,
    { more: steps('debug.execute') },
  ),
  trial(
    'a write breakpoint is a trap after the write',
    64,
    `
        ${handler}
        ${arm(1, '0x50004', 0x000d0004)}
        mov dr1, rax
        mov eax, 0x50004
        mov dr1, rax
        mov eax, 0x00d00004
        mov dr7, rax
        mov eax, [0x50004]
        mov [0x50003], al
        mov [0x50008], al
        expect ebp, 0
        mov [0x50007], al
behind: expect ebp, 1
        expect ebx, 2
        expect r12, behind
        mov [0x50001], eax
        expect ebp, 2`,
    { more: steps('debug.write', 2) },
  ),
  trial(
    'an access breakpoint sees reads and writes, of eight bytes too',
    64,
    `
        ${handler}
        ${arm(2, '0x50008', 0x0b000010)}
        mov al, [0x50007]
        mov al, [0x5000f]
        mov [0x50008], al
        lea rsi, [0x50000]
        mov edi, 0x51000
        mov ecx, 3
        rep movsq
        expect ebp, 3
        expect ebx, 4`,
    { more: steps('debug.access', 3) },
  ),
  trial(
    'a port breakpoint needs CR4.DE',
    64,
    `
        ${handler}
        ${arm(3, '0x21', 0x20000040)}
        in al, 0x21
        expect ebp, 0
        mov rax, cr4
        or al, 8
        mov cr4, rax
        in al, 0x21
        expect ebp, 1
        expect ebx, 8`,
    { more: steps('debug.port') },
  ),
  trial(
    'DR7.GD refuses MOV DR, and is off in the handler',
    64,
    `
        mov eax, 0x2000
        mov dr7, rax
        fault 1 dr.general-detect: mov rax, dr0
        mov rax, dr6
        and eax, 0x2000
        expect eax, 0x2000
        mov rax, dr7
        and eax, 0x2000
        expect eax, 0`,
  ),
  trial(
    'DR4 and DR5 are DR6 and DR7 unless CR4.DE',
    64,
    `
        mov rax, dr7
        mov rbx, dr5
        expect rax, rbx
        mov rax, cr4
        or al, 8
        mov cr4, rax
        fault 6 dr.undefined: mov rax, dr4
        mov rax, 0x100000000
        fault 13 code=0 dr.reserved: mov dr7, rax`,
  ),
  trial(
    'SYSCALL with TF: the mask decides whether the kernel is traced',
    64,
    `
        ${handler}
        mov ecx, 0xc0000080
        mov eax, 0x501
        xor edx, edx
        wrmsr
        mov ecx, 0xc0000081
        mov edx, 0x00200008
        wrmsr
        mov ecx, 0xc0000082
        mov eax, service
        xor edx, edx
        wrmsr
        mov ecx, 0xc0000084
        mov eax, 0x100
        wrmsr
        ${trap(true)}
        syscall
service: nop
        nop
        expect ebp, 0`,
  ),
];
