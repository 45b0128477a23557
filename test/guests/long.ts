/** What 64-bit mode has of its own: IST, fast system calls, MSRs. Intel SDM vol. 3, "System Architecture Overview". */

import { trial } from './trial';

const drop = (label: string, flags = 2) => `
        mov rax, ${label}
        mov edx, ${flags}
        jmp to_ring3
`;
const wrmsr = (register: number, low: string, high = '0') => `
        mov ecx, ${register}
        mov eax, ${low}
        mov edx, ${high}
        wrmsr
`;
const EFER = 0xc0000080;

export const longTrials = [
  trial(
    'a delivery in ring 0 aligns the stack and pushes SS:RSP',
    64,
    `
        mov rsp, 0x7a003
        soft 0x30: int 0x30
        expect dword [saved_rsp], 0x7a003
        expect dword [saved_ss], 0x10
        expect dword [saved_cs], 8`,
  ),
  trial(
    'IST: the stack is changed also within ring 0',
    64,
    `
        mov byte [0x13000+0x30*16+4], 1
        mov qword [0x7bff0], 0
        mov ax, ss
        soft 0x30: int 0x30
        expect dword [saved_rsp], 0x90000
        mov eax, [0x7bff8-8]
        expect eax, 0x90000`,
    {},
  ),
  trial(
    'SS is null after an interrupt that changes rings',
    64,
    `
        call open_pages
        mov rax, handler
        mov [0x13000+0x30*16], ax
        ${drop('user')}
user:   int 0x30
handler: mov ax, ss
        expect ax, 0
        mov ax, cs
        expect ax, 8`,
  ),
  trial(
    'SYSCALL saves RIP and RFLAGS and masks; SYSRET returns',
    64,
    `
        call open_pages
        ${wrmsr(EFER, '0x501')}
        ${wrmsr(0xc0000081, '0', '0x00200008')}
        ${wrmsr(0xc0000082, 'service')}
        ${wrmsr(0xc0000084, '0x401')}
        ${drop('user')}
user:   std
        stc
        syscall
after:  soft 0x30: int 0x30
        expect dword [saved_cs], 0x33
        expect dword [saved_ss], 0x2b
        expect rcx, after
        expect ebx, 8
        expect ebp, 0x10
        expect esi, 0
        mov eax, r11d
        and eax, 0x401
        expect eax, 0x401
        jmp passed
service: pushfq
        pop rsi
        and esi, 0x401
        mov ebx, cs
        mov ebp, ss
        o64 sysret`,
  ),
  trial(
    'SYSCALL needs EFER.SCE, SYSRET ring 0 and a canonical RCX',
    64,
    `
        call open_pages
        fault 6 syscall.disabled: syscall
        fault 6 syscall.disabled: sysret
        ${wrmsr(EFER, '0x501')}
        mov rcx, 0x800000000000
        fault 13 code=0 sysret.noncanonical: o64 sysret
        ${drop('user')}
user:   fault 13 code=0 privileged.cpl-0: o64 sysret`,
    {},
  ),
  trial(
    'SYSENTER and SYSEXIT',
    64,
    `
        call open_pages
        fault 13 code=0 sysenter.unset: sysenter
        ${wrmsr(0x174, '8')}
        ${wrmsr(0x175, '0x7b000')}
        ${wrmsr(0x176, 'service')}
        ${drop('user')}
user:   sysenter
back:   soft 0x30: int 0x30
        expect dword [saved_cs], 0x2b
        expect dword [saved_rsp], 0x6e000
        expect ebx, 8
        expect ebp, 0x7b000
        jmp passed
service: mov ebx, cs
        mov rbp, rsp
        mov dword [gdt+0x28], 0xffff
        mov dword [gdt+0x2c], 0x00affb00
        mov dword [gdt+0x30], 0xffff
        mov dword [gdt+0x34], 0x00cff300
        mov edx, back
        mov ecx, 0x6e000
        o64 sysexit`,
    {},
  ),
  trial(
    'an unknown MSR is #GP(0)',
    64,
    `
        mov ecx, 0x12345678
        fault 13 code=0 msr.known: rdmsr
        fault 13 code=0 msr.known: wrmsr
        mov ecx, 0xc0000082
        xor eax, eax
        mov edx, 0x8000
        fault 13 code=0 msr.canonical: wrmsr
        mov ecx, 0xc0000080
        xor edx, edx
        mov eax, 0x400
        fault 13 code=0 efer.lme-while-paging: wrmsr
        mov ecx, 0x277
        mov eax, 2
        fault 13 code=0 msr.memory-type: wrmsr`,
    {},
  ),
  trial(
    'SWAPGS and the bases of FS and GS',
    64,
    `
        call open_pages
        ${wrmsr(0xc0000101, '0x50000')}
        ${wrmsr(0xc0000102, '0x51000')}
        mov dword [gs:8], 0x11
        swapgs
        mov dword [gs:8], 0x22
        expect dword [0x50008], 0x11
        expect dword [0x51008], 0x22
        fault 6 fsgsbase.enabled: rdfsbase rax
        mov rax, cr4
        or eax, 0x10000
        mov cr4, rax
        mov eax, 0x52000
        wrfsbase rax
        mov dword [fs:0], 0x33
        expect dword [0x52000], 0x33
        rdgsbase rbx
        expect ebx, 0x51000
        mov rbx, 0x800000000000
        fault 13 code=0 linear.canonical: wrfsbase rbx
        ${drop('user')}
user:   fault 13 code=0 privileged.cpl-0: swapgs`,
  ),
  trial(
    'what CPUID does not advertise is #UD',
    64,
    `
        fault 6 opcode.not-implemented: pxor xmm0, xmm1
        fault 6 opcode.not-implemented: fninit
        fault 6 opcode.not-implemented: fxsave [0x50000]`,
    {},
  ),
  trial(
    'an instruction whose feature a preset lacks is #UD',
    64,
    `
        fault 6 opcode.feature: andn eax, ebx, ecx
        fault 6 opcode.feature: rdrand eax
        fault 6 opcode.feature: movbe eax, [0x50000]`,
    { cpu: 'core2' },
  ),
  trial(
    'UMIP: SGDT, SIDT and SMSW in ring 3',
    64,
    `
        call open_pages
        ${drop('user1')}
user1:  sgdt [0x50000]
        soft 0x30: int 0x30
        mov rax, cr4
        or eax, 0x800
        mov cr4, rax
        ${drop('user2')}
user2:  fault 13 code=0 umip.user: sgdt [0x50000]
        ${drop('user3')}
user3:  fault 13 code=0 umip.user: sidt [0x50000]
        ${drop('user4')}
user4:  fault 13 code=0 umip.user: smsw ax
        ${drop('user5')}
user5:  fault 13 code=0 umip.user: str ax
        ${drop('user6')}
user6:  fault 13 code=0 umip.user: sldt ax`,
    { cpu: 'max' },
  ),
  trial(
    'RDTSC with CR4.TSD and RDPMC in ring 3',
    64,
    `
        call open_pages
        mov rax, cr4
        or eax, 4
        mov cr4, rax
        rdtsc
        ${drop('user1')}
user1:  fault 13 code=0 tsc.disabled: rdtsc
        ${drop('user2')}
user2:  fault 13 code=0 rdpmc.disabled: rdpmc
        ${drop('user3')}
user3:  fault 6 monitor.cpl-0: monitor`,
    {},
  ),
  trial(
    'CMPXCHG8B and IRET refuse what long mode does not have',
    64,
    `
        pushfq
        or qword [rsp], 0x4000
        popfq
        fault 13 code=0 iret.nested-task: iretq
        pushfq
        and qword [rsp], ~0x4000
        popfq
        mov rbp, rsp
        push 0x10
        push rbp
        push 2
        push 0
        push passed
        fault 13 code=0 code-segment.null: iretq
        push 0x10
        push rbp
        push 2
        push 0x10
        push passed
        fault 13 code=0x10 code-segment.type: iretq`,
  ),
  trial(
    'a far jump in 64-bit mode needs a code segment that is not both 64-bit and 32-bit',
    64,
    `
        mov dword [gdt+0x58], 0xffff
        mov dword [gdt+0x5c], 0x00ef9b00
        mov dword [0x50000], passed
        mov word [0x50004], 0x58
        fault 13 code=0x58 code-segment.long-and-big: jmp far dword [0x50000]
        mov word [0x50004], 0x48
        fault 13 code=0x48 transfer.type: jmp far dword [0x50000]`,
  ),
  trial(
    'a call gate of 64 bits changes stacks by the TSS',
    64,
    `
        call open_pages
        mov dword [gdt+0x60], inner - 0x10000 + 0x80000
        mov dword [gdt+0x64], 0x0001ec00
        mov dword [0x50004], 0x63
        ${drop('user')}
user:   call far dword [0x50000]
        soft 0x30: int 0x30
        expect dword [saved_rsp], 0x70000
        expect ebx, 0x33
        expect ebp, 0x70000
        jmp passed
inner:  mov ebx, [rsp+8]
        mov rbp, [rsp+16]
        o64 retf`,
  ),
];
