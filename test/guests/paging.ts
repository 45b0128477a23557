/** The rules of paging. Intel SDM vol. 3, "Paging". `small_pages` maps 4 - 6 MiB by the table at 0x60000. */

import { trial } from './trial';

/** PAE paging without long mode: PDPT at 0x60000, directory at 0x61000 of 2 MiB pages, table at 0x62000 for 4 - 6 MiB. */
const paePages = `
        mov edi, 0x60000
        mov ecx, 0xc00
        xor eax, eax
        rep stosd
        mov dword [0x60000], 0x61001
        mov edi, 0x61000
        mov eax, 0x83
pae1:   mov [edi], eax
        add eax, 0x200000
        add edi, 8
        cmp edi, 0x62000
        jne pae1
        mov dword [0x61010], 0x62003
        mov dword [0x62000], 0x400003
        mov eax, 0x60000
        mov cr3, eax
        mov eax, cr4
        or al, 0x20
        mov cr4, eax
`;
const pagingOn = `
        mov eax, cr0
        or eax, 0x80010000
        mov cr0, eax
`;
const toRing3 = (label: string) => `
        mov rax, ${label}
        mov edx, 2
        jmp to_ring3
`;

export const pagingTrials = [
  trial(
    'an entry that is not present ends the walk at each level',
    64,
    `
        call small_pages
        mov qword [0x60008], 0
        fault 14 code=0 cr2=0x401234 walk.present: mov al, [0x401234]
        fault 14 code=2 cr2=0x401234 walk.present: mov [0x401234], al
        mov qword [0x93010], 0
        invlpg [0x400000]
        fault 14 code=0 cr2=0x400000 walk.present: mov al, [0x400000]
        mov rbx, 0x100000000
        fault 14 code=0 cr2=0x100000000 walk.present: mov al, [rbx]
        mov rbx, 0x8000000000
        fault 14 code=2 cr2=0x8000000000 walk.present: mov [rbx], al`,
  ),
  trial(
    'fetching from where nothing is mapped',
    64,
    `
        mov qword [resume], back
        mov rbx, 0x100000000
        call rbx
back:   expect dword [saved_vector], 14
        expect dword [saved_code], 0
        expect dword [saved_cr2+4], 1
        expect dword [saved_rip+4], 1`,
    {
      more: [{ vector: 14, errorCode: 0, cr2: 0x1_0000_0000n, rule: 'walk.present' }],
    },
  ),
  trial(
    'a supervisor writes to a read-only page unless CR0.WP',
    64,
    `
        call small_pages
        mov qword [0x60008], 0x401001
        mov al, [0x401000]
        mov byte [0x401000], 5
        mov rax, cr0
        or eax, 0x10000
        mov cr0, rax
        mov al, [0x401000]
        expect al, 5
        fault 14 code=3 cr2=0x401000 walk.writable: mov [0x401000], al
        fault 14 code=3 cr2=0x401008 walk.writable: lock inc dword [0x401008]
        mov qword [0x60008], 0x401003
        mov [0x401000], al`,
  ),
  trial(
    'a user needs U/S and R/W at every level',
    64,
    `
        call open_pages
        call small_pages
        ${toRing3('user1')}
user1:  fault 14 code=5 cr2=0x400000 walk.user: mov al, [0x400000]
        or qword [0x93010], 4
        ${toRing3('user2')}
user2:  fault 14 code=5 cr2=0x400000 walk.user: mov al, [0x400000]
        or qword [0x60000], 4
        ${toRing3('user3')}
user3:  mov al, [0x400000]
        mov [0x400000], al
        fault 14 code=7 cr2=0x401000 walk.user: mov [0x401000], al
        and qword [0x93010], -3
        invlpg [0x400000]
        ${toRing3('user4')}
user4:  mov al, [0x400000]
        fault 14 code=7 cr2=0x400000 walk.writable: mov [0x400000], al`,
  ),
  trial(
    'a user fetches from a supervisor page',
    64,
    `
        call open_pages
        call small_pages
        mov qword [resume], back
        mov rax, 0x402000
        mov edx, 2
        jmp to_ring3
back:   expect dword [saved_vector], 14
        expect dword [saved_code], 5
        expect dword [saved_rip], 0x402000`,
    { more: [{ vector: 14, errorCode: 5, cr2: 0x40_2000n, rule: 'walk.user' }] },
  ),
  trial(
    'XD forbids fetches once EFER.NXE is set, and is reserved before',
    64,
    `
        call small_pages
        mov byte [0x401000], 0xc3
        mov byte [0x60008+7], 0x80
        invlpg [0x401000]
        fault 14 code=9 cr2=0x401000 walk.reserved: mov al, [0x401000]
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x800
        wrmsr
        mov al, [0x401000]
        expect al, 0xc3
        mov qword [resume], back
        mov eax, 0x401000
        call rax
back:   expect dword [saved_vector], 14
        expect dword [saved_code], 0x11
        expect dword [saved_cr2], 0x401000
        mov byte [0x60008+7], 0
        call rax`,
    { more: [{ vector: 14, errorCode: 17, cr2: 0x40_1000n, rule: 'walk.nx' }] },
  ),
  trial(
    'SMEP: the supervisor fetches nothing from a user page',
    64,
    `
        call small_pages
        or qword [0x91000], 4
        or qword [0x92000], 4
        or qword [0x93010], 4
        mov qword [0x60008], 0x401007
        mov byte [0x401000], 0xc3
        mov eax, 0x401000
        call rax
        mov rbx, cr4
        or ebx, 0x100000
        mov cr4, rbx
        mov qword [resume], back
        call rax
back:   expect dword [saved_vector], 14
        expect dword [saved_code], 0x11
        expect dword [saved_rip], 0x401000
        mov qword [0x60008], 0x401003
        invlpg [rax]
        call rax`,
    { more: [{ vector: 14, errorCode: 17, cr2: 0x40_1000n, rule: 'walk.smep' }] },
  ),
  trial(
    'SMAP: the supervisor touches user pages only with EFLAGS.AC',
    64,
    `
        call small_pages
        or qword [0x91000], 4
        or qword [0x92000], 4
        or qword [0x93010], 4
        mov qword [0x60008], 0x401007
        mov al, [0x401000]
        mov rbx, cr4
        or ebx, 0x200000
        mov cr4, rbx
        fault 14 code=1 cr2=0x401000 walk.smap: mov al, [0x401000]
        fault 14 code=3 cr2=0x401000 walk.smap: mov [0x401000], al
        stac
        mov al, [0x401000]
        clac
        fault 14 code=1 cr2=0x401000 walk.smap: mov al, [0x401000]
        mov rax, cr4
        and eax, ~0x200000
        mov cr4, rax
        mov al, [0x401000]`,
    { cpu: 'skylake' },
  ),
  trial(
    'reserved bits of entries',
    64,
    `
        call small_pages
        mov byte [0x60008+6], 0x0f
        fault 14 code=9 cr2=0x401000 walk.reserved: mov al, [0x401000]
        mov qword [0x93018], 0x602083
        fault 14 code=0xb cr2=0x600000 walk.reserved: mov [0x600000], al`,
  ),
  trial(
    'reserved bits where nothing else is mapped end in a triple fault',
    64,
    `
        or qword [0x91000], 0x80
        mov rax, cr3
gone:   mov cr3, rax
        nop`,
    {
      ends: 'triple-fault',
      more: [
        { vector: 14, errorCode: 9, rule: 'walk.reserved' },
        { vector: 8, errorCode: 0, rule: 'double-fault' },
      ],
    },
  ),
  trial(
    'a page of 1 GiB',
    64,
    `
        mov qword [0x92008], 0x83
        mov rax, cr3
        mov cr3, rax
        mov dword [0x50000], 0x1234
        expect dword [0x40050000], 0x1234
        mov qword [0x92008], 0x2083
        mov cr3, rax
        fault 14 code=9 cr2=0x40050000 walk.reserved: mov eax, [0x40050000]`,
  ),
  trial(
    'accessed and dirty bits',
    64,
    `
        call small_pages
        and qword [0x93010], -0x61
        mov rax, cr3
        mov cr3, rax
        mov rbx, [0x60010]
        expect ebx, 0x402003
        mov al, [0x402000]
        mov rbx, [0x60010]
        expect ebx, 0x402023
        mov rbx, [0x93010]
        expect ebx, 0x60023
        mov [0x402000], al
        mov rbx, [0x60010]
        expect ebx, 0x402063
        mov qword [0x60018], 0x403001
        mov rax, cr0
        or eax, 0x10000
        mov cr0, rax
        fault 14 code=3 cr2=0x403000 walk.writable: mov [0x403000], al
        mov rbx, [0x60018]
        and ebx, -0x21
        expect ebx, 0x403001`,
  ),
  trial(
    'a stale translation is used until INVLPG',
    64,
    `
        call small_pages
        mov byte [0x401000], 1
        mov byte [0x402000], 2
        mov al, [0x401000]
        mov qword [0x60008], 0x402003
        mov al, [0x401000]
        expect al, 1
        invlpg [0x401000]
        mov al, [0x401000]
        expect al, 2`,
    {},
  ),
  trial(
    'without a TLB every access walks',
    64,
    `
        call small_pages
        mov byte [0x401000], 1
        mov byte [0x402000], 2
        mov al, [0x401000]
        mov qword [0x60008], 0x402003
        mov al, [0x401000]
        expect al, 2`,
    { tlb: 'none' },
  ),
  trial(
    'global translations survive MOV to CR3, and go with CR4.PGE',
    64,
    `
        call small_pages
        mov rax, cr4
        or al, 0x80
        mov cr4, rax
        mov byte [0x403000], 1
        mov byte [0x404000], 2
        mov qword [0x60008], 0x403103
        mov qword [0x60010], 0x403003
        invlpg [0x401000]
        invlpg [0x402000]
        mov al, [0x401000]
        mov al, [0x402000]
        mov qword [0x60008], 0x404103
        mov qword [0x60010], 0x404003
        mov rax, cr3
        mov cr3, rax
        mov bl, [0x402000]
        expect bl, 2
        mov bl, [0x401000]
        expect bl, 1
        mov rax, cr4
        and al, 0x7f
        mov cr4, rax
        mov bl, [0x401000]
        expect bl, 2`,
    {},
  ),
  trial(
    'PCIDs keep translations apart, and bit 63 of CR3 keeps them',
    64,
    `
        call small_pages
        mov byte [0x403000], 1
        mov byte [0x404000], 2
        mov rax, cr4
        or eax, 0x20000
        mov cr4, rax
        mov qword [0x60008], 0x403003
        invlpg [0x401000]
        mov al, [0x401000]
        mov qword [0x60008], 0x404003
        mov eax, 0x91005
        mov cr3, rax
        mov bl, [0x401000]
        expect bl, 2
        mov rax, 0x8000000000091000
        mov cr3, rax
        mov bl, [0x401000]
        expect bl, 1
        mov eax, 0x91000
        mov cr3, rax
        mov bl, [0x401000]
        expect bl, 2`,
    {},
  ),
  trial(
    '32-bit paging: present, writable, user',
    32,
    `
        call tables32
        ${pagingOn}
        mov dword [0x61000+0x50*4], 0
        invlpg [0x50000]
        fault 14 code=0 cr2=0x50004 walk.present: mov eax, [0x50004]
        mov dword [0x61000+0x50*4], 0x50001
        mov eax, [0x50000]
        fault 14 code=3 cr2=0x50000 walk.writable: mov [0x50000], eax
        fault 14 code=2 cr2=0x400000 walk.present: mov [0x400000], eax`,
  ),
  trial(
    '32-bit paging: pages of 4 MiB need CR4.PSE',
    32,
    `
        call tables32
        mov dword [0x60004], 0x83
        mov eax, cr4
        or al, 0x10
        mov cr4, eax
        ${pagingOn}
        mov dword [0x50000], 0x4321
        expect dword [0x450000], 0x4321
        mov dword [0x60004], 0x200083
        invlpg [0x400000]
        fault 14 code=9 cr2=0x450000 walk.reserved: mov eax, [0x450000]`,
  ),
  trial(
    '32-bit paging: ring 3',
    32,
    `
        call tables32
        mov dword [0x61000+0x10*4], 0x10007
        mov dword [0x61000+0x11*4], 0x11007
        mov dword [0x61000+0x6f*4], 0x6f007
        ${pagingOn}
        mov eax, user
        mov edx, 2
        jmp to_ring3
user:   fault 14 code=5 cr2=0x50000 walk.user: mov eax, [0x50000]
        expect dword [saved_cs], 0x23
        expect dword [saved_rsp], 0x70000`,
  ),
  trial(
    'PAE paging: 2 MiB pages, XD, reserved bits',
    32,
    `
        ${paePages}
        ${pagingOn}
        mov dword [0x200000], 77
        expect dword [0x200000], 77
        fault 14 code=0 cr2=0x401000 walk.present: mov eax, [0x401000]
        mov dword [0x62004], 0x80000000
        invlpg [0x400000]
        fault 14 code=9 cr2=0x400000 walk.reserved: mov eax, [0x400000]
        fault 14 code=0 cr2=0x40000000 walk.present: mov eax, [0x40000000]`,
  ),
  trial(
    'PDPTEs are loaded by MOV to CR3, with their reserved bits checked',
    32,
    `
        ${paePages}
        ${pagingOn}
        mov dword [0x60008], 0x61001
        fault 14 code=0 cr2=0x40050000 walk.present: mov eax, [0x40050000]
        mov eax, cr3
        mov cr3, eax
        mov dword [0x50000], 0x777
        expect dword [0x40050000], 0x777
        mov dword [0x60008], 0x61003
        fault 13 code=0 pdpte.reserved: mov cr3, eax
        expect dword [0x40050000], 0x777`,
    {},
  ),
  trial(
    'an instruction across two pages faults at the second',
    64,
    `
        call small_pages
        mov byte [0x401fff], 0xb0
        mov byte [0x402000], 0x5a
        mov byte [0x402001], 0xc3
        mov eax, 0x401fff
        call rax
        expect al, 0x5a
        mov qword [0x60010], 0
        invlpg [0x402000]
        mov qword [resume], back
        mov eax, 0x401fff
        call rax
back:   expect dword [saved_vector], 14
        expect dword [saved_cr2], 0x402000
        expect dword [saved_rip], 0x401fff
        mov byte [0x401fff], 0xc3
        mov eax, 0x401fff
        call rax`,
    { more: [{ vector: 14, errorCode: 0, cr2: 0x40_2000n, rule: 'walk.present' }] },
  ),
  trial(
    'a store across two pages changes nothing when the second refuses',
    64,
    `
        call small_pages
        mov qword [0x401ff8], 0
        mov qword [0x60010], 0
        invlpg [0x402000]
        mov rax, -1
        fault 14 code=2 cr2=0x402000 walk.present: mov [0x401ffc], rax
        expect dword [0x401ffc], 0`,
  ),
  trial(
    'MOV to CR0, CR3 and CR4 refuse what is reserved',
    64,
    `
        mov rax, cr4
        mov rbx, rax
        bts rbx, 15
        fault 13 code=0 cr4.reserved: mov cr4, rbx
        mov rbx, rax
        and bl, 0xdf
        fault 13 code=0 cr4.pae-in-long-mode: mov cr4, rbx
        mov rax, cr0
        mov rbx, rax
        bts rbx, 32
        fault 13 code=0 cr0.reserved: mov cr0, rbx
        btr rax, 0
        fault 13 code=0 cr0.pg-needs-pe: mov cr0, rax
        mov rax, cr0
        bts rax, 29
        fault 13 code=0 cr0.nw-needs-cd: mov cr0, rax
        mov rax, cr0
        btr rax, 31
        fault 13 code=0 cr0.pg-in-64-bit-mode: mov cr0, rax
        mov rax, cr3
        bts rax, 50
        fault 13 code=0 cr3.reserved: mov cr3, rax`,
    {},
  ),
];
