/** Mistakes in handlers of VM exits: an example with one thing changed in it, and the lint that tells. */

export interface HandlerCase {
  readonly name: string;
  readonly example: string;
  readonly from: string;
  readonly to: string;
  readonly lint: string;
}

const nmi = `    mov edx, 0xfee00000
    mov dword [rdx + 0xf0], 0x1ff
    mov dword [rdx + 0x310], 0
    mov dword [rdx + 0x300], 0x4400
    nop
    nop
`;

export const handlerCases: readonly HandlerCase[] = [
  {
    name: 'RIP moved on although a fault is injected',
    example: 'inject',
    from: '    jmp resume\n\nrequest:',
    to: 'request:',
    lint: 'fault-with-advanced-rip',
  },
  {
    name: '#PF injected without CR2',
    example: 'inject',
    from: 'GP          equ 13',
    to: 'GP          equ 14',
    lint: 'page-fault-without-cr2',
  },
  {
    name: 'an MSR without a bit taken for one whose bit is 1',
    example: 'bitmaps',
    from: "    mov eax, 'Ring'\n",
    to: '    rdmsr\n',
    lint: 'msr-outside-bitmap',
  },
  {
    name: 'a fault in root mode with no IDT',
    example: 'minimal',
    from: 'exit:\n',
    to: 'exit:\n    ud2\n',
    lint: 'root-exception-without-handler',
  },
  {
    name: 'an NMI in root mode with no IDT',
    example: 'minimal',
    from: 'exit:\n',
    to: `exit:\n${nmi}`,
    lint: 'root-nmi-without-handler',
  },
  {
    name: 'RSP off by 8 at the call from the stub',
    example: 'minimal',
    from: 'exit:\n',
    to: 'exit:\n    push rax\n    call .handler\n.handler:\n    add rsp, 16\n',
    lint: 'misaligned-call',
  },
  {
    name: 'the same exit at one address for ever',
    example: 'minimal',
    from: '    add rax, rbx\n',
    to: '',
    lint: 'same-exit-again',
  },
  {
    name: 'an EPT violation for ever, because the handler grants nothing',
    example: 'ept',
    from: '    mov [ept_tables + rbx * 8], rcx\n',
    to: '',
    lint: 'same-exit-again',
  },
];
