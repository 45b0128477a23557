/** Lines that put every kind of number, address and prefix before the instructions that treat them differently. */

const numbers = [
  ...['5', '-5', '127', '128', '-128', '-129', '255', '256', '0x7fff', '0x8000', '0xffff', '-0x8000', '0x7fffffff'],
  ...['0x80000000', '0xffffffff', '-0x80000000', '0x123456789', 'x', 'x - $$', 'strict 5', 'byte 5', 'word 5'],
  ...['dword 5', 'qword 5', 'byte 300', 'strict byte 5', 'strict word 5', 'strict dword 5', 'byte x', 'word x'],
  ...["'a'", "'ab'", '$', '$$', '~1', '!5', '1 << 31', 'ahead - x', 'ahead'],
];
const targets = [
  ...['al', 'bl', 'ax', 'bx', 'eax', 'ebx', 'rax', 'rbx', 'r9'],
  ...['byte [x]', 'word [x]', 'dword [x]', 'qword [x]', '[x]'],
];
const beforeNumbers = [
  ...['push ', 'int ', 'ret ', 'retf ', 'aam ', 'jmp ', 'call ', 'jz ', 'jmp near ', 'imul ax, ', 'imul eax, '],
  ...['imul rax, ', 'imul eax, ebx, ', 'imul rax, [x], ', 'imul ax, word [x], ', 'shl eax, ', 'shl byte [x], '],
  ...['rol word [x], ', 'bt eax, ', 'bts dword [x], ', 'bt rax, ', 'in al, ', 'enter 5, ', 'shld eax, ebx, '],
  ...['shrd [x], ax, ', 'rcr rax, ', 'pinsrw xmm0, eax, ', 'pshufd xmm0, xmm1, '],
];
const addresses = [
  ...['x', 'x+5', 'ebx+x', 'bx+x', 'rbx+x', 'eax*4+x', 'bx+si+x-$$', 'ebx+127', 'ebx+128', 'ebx-128', 'ebx-129'],
  ...['bx-129', 'esp', 'ebp', 'bp', 'rsp+8', 'r12', 'r13', 'rbp+rax', 'eax+ebp', 'ebp+eax', 'eax*2', 'eax*3'],
  ...['eax*5', 'eax*9', 'eax*2+5', 'nosplit eax*2', 'eax+eax', 'eax+eax*2', 'eax*4+eax', 'ebx*1+ecx', 'byte ebx+5'],
  ...['dword ebx+5', 'word bx+5', 'byte bx+0', 'byte ebx', 'dword bx', 'word ebx+5', 'rel x', 'abs x', 'fs:x'],
  ...['fs:rel x', 'es:bx', 'cs:5', 'dword 5', 'word 5', 'qword 5', 'dword x', 'qword x', 'rel 5', '0x12345'],
  ...['0x80000000', '0xffffffff', '-1', '0xffffffff80000000', 'rbx+0x7fffffff', 'rbx+0x80000000'],
  ...['rbx-0x80000000', 'ebx+0xffffffff', 'bx+0xffff', 'rax+ebx', 'ax', 'cx+bx', 'si+di', 'bx+bp', 'sp', 'bx*2'],
  ...['eax+ebx+ecx', 'eax*16', '-eax', 'eax-ebx', 'ebx+ecx*8+4-2*2', '(ebx+1)*2', '2*(ebx+ecx)', 'ebx+ecx*(1+1)'],
  ...['ecx*8', 'esp*2', 'esp*1+eax', 'eax+esp', 'esp+esp', 'gs:ebx', '$', '$$', '$-$$', 'r8d+r9d*2', 'es:dword 5'],
  ...['xmm1', 'eax+xmm1', 'ebx+ahead-x'],
];
const aroundAddresses = [
  ...['mov eax, []', 'mov [], al', 'mov bx, []', 'lea ecx, []', 'inc byte []', 'mov rcx, []', 'add word [], 1'],
  ...['jmp []', 'call far []', 'push dword []', 'fld qword []', 'movaps xmm0, []', 'lgdt []'],
  ...['vaddps xmm0, xmm1, []', 'mov [], es', 'vaddps zmm0, zmm1, []'],
];
const prefixes = [
  ...['o16', 'o32', 'o64', 'a16', 'a32', 'a64', 'o16 a32', 'a16 o32', 'rep', 'repne', 'lock', 'es', 'fs', 'lock rep'],
  ...['rep fs', 'o32 rep', 'rep o32', 'cs lock o16', ''],
];
/** Instructions that are the same with every operand size, or have none: a prefix contradicts no operand. */
const prefixed = [
  ...['lodsb', 'movsb', 'ret', 'retf', 'retf 4', 'iret', 'nop', 'pushf', 'popf', 'enter 1, 2', 'leave', 'lgdt [x]'],
  ...['sgdt [ebx]', 'lidt [bx]', 'loop $', 'add [ebx], al', 'xlatb', 'cmpsb', 'sysret', 'sysexit', 'int 3', 'clc'],
  ...['jmp short $', 'jz $', 'mov [5], al', 'fld dword [ebx]', 'fldenv [ebx]', 'fsave [ebx]'],
  ...['movaps xmm0, [ebx]', 'mov al, [fs:5]', 'test al, 1', 'movsq', ''],
];

/** Sizes twice, and jumps where nasm takes any distance for short, are not in the corpus. */
export const operandCorpus: readonly string[] = [
  ...targets.flatMap((target) =>
    ['mov', 'add', 'test', 'cmp', 'and'].flatMap((name) => numbers.map((number) => `${name} ${target}, ${number}`)),
  ),
  ...beforeNumbers.flatMap((start) => numbers.map((number) => start + number)),
  ...aroundAddresses.flatMap((text) => addresses.map((address) => text.replace('[]', `[${address}]`))),
  ...prefixed.flatMap((text) => prefixes.map((prefix) => `${prefix} ${text}`.trim())),
];
