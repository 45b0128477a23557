; A hypervisor that looks at some ports and MSRs and leaves the others to the guest: I/O bitmaps and MSR bitmaps.
; A bit that is 1 makes an access exit. The guest writes a line to COM1, which exits and comes out in capitals, and the same
; to port 0xE9, which does not exit. MSRs outside both ranges of the bitmaps exit always, whatever the bitmaps say.
;
;   ringside run bitmaps.asm --trace vmexit     names the bit behind each exit
;
; minimal.asm explains what comes before the first entry; here only what is new has comments.
bits 64

PIN_BASED_VM_EXEC_CONTROL  equ 0x4000
CPU_BASED_VM_EXEC_CONTROL  equ 0x4002
VM_EXIT_CONTROLS           equ 0x400c
VM_ENTRY_CONTROLS          equ 0x4012
IO_BITMAP_A                equ 0x2000
IO_BITMAP_B                equ 0x2002
MSR_BITMAP                 equ 0x2004
VM_EXIT_REASON             equ 0x4402
VM_EXIT_INSTRUCTION_LEN    equ 0x440c
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

COM1        equ 0x3f8
CONSOLE     equ 0xe9
APIC_BASE   equ 0x1b                ; left to the guest
EFER        equ 0xc0000080          ; reading exits
LSTAR       equ 0xc0000082          ; writing exits, reading does not
OURS        equ 0x40000000          ; no processor has it, and no bitmap

; Quarters of the MSR bitmaps' page: reading low MSRs (from 0), reading high ones (from 0xc0000000), writing low, writing high.
READ_HIGH   equ 1024
WRITE_HIGH  equ 3072

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

    mov rsi, intercepted            ; set the bits of what we want to see
.bit:
    mov ebx, [rsi]
    mov eax, [rsi + 4]
    bts [rbx], eax
    add rsi, 8
    cmp rsi, intercepted_end
    jb .bit

    vmlaunch

failed:
    mov al, 1
    out 0xf4, al
    hlt

exit:
    mov [guest_rax], rax            ; an exit leaves the general registers as the guest had them
    mov [guest_rdx], rdx
    mov [guest_rbx], rbx
    mov edx, VM_EXIT_REASON
    vmread rax, rdx
    cmp eax, 30                     ; I/O instruction
    je io
    cmp eax, 31                     ; RDMSR
    je rdmsr_exit
    cmp eax, 32                     ; WRMSR
    je wrmsr_exit
    cmp eax, 12                     ; HLT: the guest has finished
    jne failed
    cmp r8d, 'Ring'                 ; what it read from our MSR
    jne failed
    cmp qword [guest_lstar], 0x1234
    jne failed
    mov ecx, LSTAR                  ; the processor's has not been touched
    rdmsr
    or eax, edx
    jnz failed
    mov al, 0                       ; all is well: the run ends with status 2 * 0 + 1
    out 0xf4, al
    hlt

io:
    mov edx, EXIT_QUALIFICATION     ; bits 31:16 are the port, bit 3 tells IN from OUT, bits 2:0 the size less 1
    vmread rax, rdx
    cmp eax, COM1 << 16             ; OUT of one byte: the only one that we have asked for
    jne failed
    mov rax, [guest_rax]
    cmp al, 'a'
    jb .send
    cmp al, 'z'
    ja .send
    sub al, 'a' - 'A'
.send:
    mov dx, COM1
    out dx, al
    jmp skip

rdmsr_exit:
    cmp ecx, OURS
    je .ours
    cmp ecx, EFER
    jne failed
    rdmsr
    jmp .answer
.ours:
    mov eax, 'Ring'
    xor edx, edx
.answer:
    mov [guest_rax], rax
    mov [guest_rdx], rdx
    jmp skip

wrmsr_exit:
    cmp ecx, LSTAR
    jne failed
    mov rax, [guest_rax]
    mov [guest_lstar], eax
    mov rdx, [guest_rdx]
    mov [guest_lstar + 4], edx

skip:                               ; what exited was done by us: go on behind it
    mov edx, VM_EXIT_INSTRUCTION_LEN
    vmread rax, rdx
    mov edx, GUEST_RIP
    vmread rbx, rdx
    add rax, rbx
    vmwrite rdx, rax
    mov rax, [guest_rax]
    mov rdx, [guest_rdx]
    mov rbx, [guest_rbx]
    vmresume
    jmp failed

guest:
    mov dx, COM1                    ; exits
    call print
    mov dx, CONSOLE                 ; does not
    call print
    mov ecx, APIC_BASE              ; does not exit
    rdmsr
    mov ecx, EFER                   ; exits
    rdmsr
    mov ecx, LSTAR
    rdmsr                           ; does not exit
    mov eax, 0x1234
    xor edx, edx
    wrmsr                           ; exits
    mov ecx, OURS                   ; exits: it is in neither range
    rdmsr
    mov r8d, eax
    hlt

; Prints the line to port DX.
print:
    mov rsi, line
.next:
    mov al, [rsi]
    test al, al
    jz .written
    out dx, al
    inc rsi
    jmp .next
.written:
    ret

line: db "stepping", 10, 0

align 8
intercepted:                            ; where the bits begin, and which bit
    dd io_bitmap_a, COM1
    dd msr_bitmap + READ_HIGH, EFER - 0xc0000000
    dd msr_bitmap + WRITE_HIGH, LSTAR - 0xc0000000
intercepted_end:

align 8
guest_rax: dq 0
guest_rdx: dq 0
guest_rbx: dq 0
guest_lstar: dq 0

align 8
controls:                               ; field, capability MSR, bits that are wanted
    dd PIN_BASED_VM_EXEC_CONTROL, 0x481, 0
    dd CPU_BASED_VM_EXEC_CONTROL, 0x482, 1 << 7 | 1 << 25 | 1 << 28     ; HLT exiting, use I/O bitmaps, use MSR bitmaps
    dd VM_EXIT_CONTROLS, 0x483, 1 << 9                  ; host address-space size
    dd VM_ENTRY_CONTROLS, 0x484, 1 << 9                 ; IA-32e mode guest
controls_end:

align 8
registers:
    dq HOST_CR0, HOST_CR3, HOST_CR4
    dq GUEST_CR0, GUEST_CR3, GUEST_CR4
fields:
    dq IO_BITMAP_A, io_bitmap_a         ; ports 0 to 0x7fff
    dq IO_BITMAP_B, io_bitmap_b         ; ports 0x8000 to 0xffff
    dq MSR_BITMAP, msr_bitmap
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

align 4096
vmxon_region: times 4096 db 0
vmcs_region: times 4096 db 0
io_bitmap_a: times 4096 db 0
io_bitmap_b: times 4096 db 0
msr_bitmap: times 4096 db 0
vmxon_pointer: dq vmxon_region
vmcs_pointer: dq vmcs_region
    times 512 db 0
guest_stack:
