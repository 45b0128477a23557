; A hypervisor that gives its guest memory by the page, when the guest first touches it. The EPT starts with no page at all:
; each access that finds none is an EPT violation, and the handler grants what was asked for, no more.
;
;   ringside run ept.asm --trace vmexit     prints every page that the guest asks for, first of all its own page tables
;
; minimal.asm explains what comes before the first entry; here only what is new has comments.
bits 64

PIN_BASED_VM_EXEC_CONTROL  equ 0x4000
CPU_BASED_VM_EXEC_CONTROL  equ 0x4002
VM_EXIT_CONTROLS           equ 0x400c
VM_ENTRY_CONTROLS          equ 0x4012
SECONDARY_VM_EXEC_CONTROL  equ 0x401e
EPT_POINTER                equ 0x201a
GUEST_PHYSICAL_ADDRESS     equ 0x2400
VM_EXIT_REASON             equ 0x4402
EXIT_QUALIFICATION         equ 0x6400
VMCS_LINK_POINTER          equ 0x2800
GUEST_CR0                  equ 0x6800
GUEST_CR3                  equ 0x6802
GUEST_CR4                  equ 0x6804
GUEST_RSP                  equ 0x681c
GUEST_RIP                  equ 0x681e
HOST_CR0                   equ 0x6c00
HOST_CR3                   equ 0x6c02
HOST_CR4                   equ 0x6c04
HOST_RSP                   equ 0x6c14
HOST_RIP                   equ 0x6c16

; Selectors of the boot contract, and what marks a segment register as empty.
CODE        equ 0x08
DATA        equ 0x10
UNUSABLE    equ 1 << 16

; An EPT entry: rights, memory type (of the last level), address.
READ        equ 1
ALL         equ 7                   ; read, write, execute: the upper levels leave it to the last one
WRITE_BACK  equ 6 << 3

; Guest-physical memory: below HEAP it is where it seems to be, above it is wherever we have a page.
HEAP        equ 0x400000
MEMORY      equ 0x800000
PAGES       equ 4

start:
    ; Into VMX operation, as in minimal.asm: allowed by the firmware or by us, CR0.NE and CR4.VMXE set, both regions marked.
    mov ecx, 0x3a                   ; IA32_FEATURE_CONTROL
    rdmsr
    test eax, 1
    jnz .locked
    or eax, 5
    wrmsr
.locked:
    mov rax, cr0
    or rax, 1 << 5
    mov cr0, rax
    mov rax, cr4
    or rax, 1 << 13
    mov cr4, rax
    mov ecx, 0x480                  ; IA32_VMX_BASIC
    rdmsr
    mov [vmxon_region], eax
    mov [vmcs_region], eax
    vmxon [vmxon_pointer]
    jbe failed
    vmclear [vmcs_pointer]
    jbe failed
    vmptrld [vmcs_pointer]
    jbe failed

    mov rsi, controls
.control:
    mov ecx, [rsi + 4]
    rdmsr
    or eax, [rsi + 8]
    and eax, edx
    mov edx, [rsi]
    vmwrite rdx, rax
    jbe failed
    add rsi, 12
    cmp rsi, controls_end
    jb .control

    mov rsi, registers              ; our CR0, CR3 and CR4, for host and guest
.register:
    mov rax, cr0
    mov rdx, [rsi]
    vmwrite rdx, rax
    jbe failed
    mov rax, cr3
    mov rdx, [rsi + 8]
    vmwrite rdx, rax
    jbe failed
    mov rax, cr4
    mov rdx, [rsi + 16]
    vmwrite rdx, rax
    jbe failed
    add rsi, 24
    cmp rsi, fields
    jb .register
.field:
    mov rdx, [rsi]
    mov rax, [rsi + 8]
    vmwrite rdx, rax
    jbe failed
    add rsi, 16
    cmp rsi, fields_end
    jb .field
    mov rdx, HOST_RSP
    vmwrite rdx, rsp
    jbe failed

    vmlaunch

failed:
    mov al, 1
    out 0xf4, al
    hlt

exit:
    push rax                        ; an exit leaves the general registers as the guest had them
    push rcx
    push rdx
    push rbx
    mov edx, VM_EXIT_REASON
    vmread rax, rdx
    cmp eax, 48                     ; EPT violation
    je grant
    cmp eax, 12                     ; HLT: the guest has finished
    jne failed
    cmp rdi, 1 + 2 + 3 + 4          ; what it found in its memory
    jne failed
    mov al, 0                       ; all is well: the run ends with status 2 * 0 + 1
    out 0xf4, al
    hlt

grant:
    mov edx, GUEST_PHYSICAL_ADDRESS
    vmread rbx, rdx
    cmp rbx, MEMORY
    jae failed
    shr rbx, 12
    mov rcx, [ept_tables + rbx * 8]
    test ecx, ALL
    jnz .rights                     ; the page is there, and has been asked for in another way now
    shl rbx, 12
    mov rcx, rbx
    cmp rbx, HEAP
    jb .found
    mov rcx, [next_page]
    add qword [next_page], 4096
.found:
    shr rbx, 12
    or rcx, WRITE_BACK
.rights:
    mov edx, EXIT_QUALIFICATION
    vmread rax, rdx
    and eax, ALL                    ; bits 2:0: read, write, execute, in the order of the entry's rights
    or eax, READ                    ; an entry to write and not to read would be a misconfiguration
    or rcx, rax
    mov [ept_tables + rbx * 8], rcx
    ; No INVEPT: a violation drops what is cached for its address, and absent pages are never cached.
    ; No RIP to advance either: the guest tries its instruction again.
    pop rbx
    pop rdx
    pop rcx
    pop rax
    vmresume
    jmp failed

; The guest reads each page of its heap, then writes it: two violations a page, the second for the right to write.
guest:
    mov rbx, HEAP
    mov ecx, PAGES
.write:
    mov rax, [rbx]
    mov [rbx], rcx
    add rbx, 4096
    dec ecx
    jnz .write
    mov rbx, HEAP
    mov ecx, PAGES
    xor edi, edi
.sum:
    add rdi, [rbx]
    add rbx, 4096
    dec ecx
    jnz .sum
    hlt

align 8
controls:                               ; field, capability MSR, bits that are wanted
    dd PIN_BASED_VM_EXEC_CONTROL, 0x481, 0
    dd CPU_BASED_VM_EXEC_CONTROL, 0x482, 1 << 7 | 1 << 31   ; HLT exiting, activate secondary controls
    dd SECONDARY_VM_EXEC_CONTROL, 0x48b, 1 << 1         ; enable EPT
    dd VM_EXIT_CONTROLS, 0x483, 1 << 9                  ; host address-space size
    dd VM_ENTRY_CONTROLS, 0x484, 1 << 9                 ; IA-32e mode guest
controls_end:

align 8
registers:
    dq HOST_CR0, HOST_CR3, HOST_CR4
    dq GUEST_CR0, GUEST_CR3, GUEST_CR4
fields:
    dq EPT_POINTER, ept_pml4 + (3 << 3) + 6     ; four levels (one less in the field), themselves write-back
    dq VMCS_LINK_POINTER, -1
    dq 0x0c02, CODE                     ; HOST_CS_SELECTOR
    dq 0x0c04, DATA                     ; HOST_SS_SELECTOR
    dq 0x0c0c, 0x18                     ; HOST_TR_SELECTOR: any but 0
    dq HOST_RIP, exit
    dq 0x0802, CODE                     ; GUEST_CS_SELECTOR
    dq 0x4802, 0xffffffff               ; GUEST_CS_LIMIT
    dq 0x4816, 0xa09b                   ; GUEST_CS_AR_BYTES: 64-bit code
    dq 0x0804, DATA                     ; GUEST_SS_SELECTOR
    dq 0x4804, 0xffffffff               ; GUEST_SS_LIMIT
    dq 0x4818, 0xc093                   ; GUEST_SS_AR_BYTES: data
    dq 0x4814, UNUSABLE                 ; GUEST_ES_AR_BYTES
    dq 0x481a, UNUSABLE                 ; GUEST_DS_AR_BYTES
    dq 0x481c, UNUSABLE                 ; GUEST_FS_AR_BYTES
    dq 0x481e, UNUSABLE                 ; GUEST_GS_AR_BYTES
    dq 0x4820, UNUSABLE                 ; GUEST_LDTR_AR_BYTES
    dq 0x480e, 0x67                     ; GUEST_TR_LIMIT
    dq 0x4822, 0x8b                     ; GUEST_TR_AR_BYTES: busy TSS
    dq 0x6820, 2                        ; GUEST_RFLAGS: bit 1 is always 1; IF is 0
    dq GUEST_RSP, guest_stack
    dq GUEST_RIP, guest
fields_end:

next_page: dq heap_pages

align 4096
vmxon_region: times 4096 db 0
vmcs_region: times 4096 db 0

; The upper levels are complete from the start; the four tables of the last level are empty, one after the other, so that
; a page's entry is simply the one with its number.
ept_pml4: dq ept_pdpt + ALL
    times 511 dq 0
ept_pdpt: dq ept_directory + ALL
    times 511 dq 0
ept_directory:
    dq ept_tables + ALL, ept_tables + 0x1000 + ALL, ept_tables + 0x2000 + ALL, ept_tables + 0x3000 + ALL
    times 508 dq 0
ept_tables: times 4 * 512 dq 0
heap_pages: times PAGES * 4096 db 0
vmxon_pointer: dq vmxon_region
vmcs_pointer: dq vmcs_region
    times 512 db 0
guest_stack:
