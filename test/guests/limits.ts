/** Near branches and the limit of CS. Intel SDM vol. 2, "JMP", "CALL", "RET"; vol. 3, "Limit Checking". */

import { trial } from './trial';

/** Code with the limit 0x1ffff, selector 0x58. */
const short = `
        mov dword [gdt+0x58], 0xffff
        mov dword [gdt+0x5c], 0x00419b00
`;

export const limitTrials = [
  trial(
    'a near branch beyond the limit of CS is refused where it stands',
    32,
    `
        ${short}
        jmp 0x58:here
here:   fault 13 code=0 code-segment.beyond-limit: jmp near 0x30000
        mov ebx, 0x20000
        jmp 0x58:here2
here2:  fault 13 code=0 code-segment.beyond-limit: jmp ebx
        jmp 0x58:here3
here3:  fault 13 code=0 code-segment.beyond-limit: call ebx
        jmp 0x58:here4
here4:  push ebx
        fault 13 code=0 code-segment.beyond-limit: ret
        xor eax, eax
        jmp 0x58:here5
here5:  fault 13 code=0 code-segment.beyond-limit: jz near 0x30000`,
  ),
];
