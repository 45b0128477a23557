; A hypervisor that delivers events to its guest. An exception goes in at once: the guest's IN exits and is answered with #GP.
; An interrupt has to wait until the guest can take one: the guest asks for it by VMCALL while its IF is 0, the host waits for
; the interrupt window, and injects when the guest has executed STI and one instruction more.
;
;   ringside run inject.asm --trace vmexit,vmentry
;
; minimal.asm explains what comes before the first entry; here only what is new has comments.
bits 64

PIN_BASED_VM_EXEC_CONTROL      equ 0x4000
CPU_BASED_VM_EXEC_CONTROL      equ 0x4002
VM_EXIT_CONTROLS               equ 0x400c
VM_ENTRY_CONTROLS              equ 0x4012
VM_ENTRY_INTR_INFO_FIELD       equ 0x4016
VM_ENTRY_EXCEPTION_ERROR_CODE  equ 0x4018
VM_EXIT_REASON                 equ 0x4402
VM_EXIT_INSTRUCTION_LEN        equ 0x440c
GUEST_INTERRUPTIBILITY_STATE   equ 0x4824
GUEST_RFLAGS                   equ 0x6820
VMCS_LINK_POINTER              equ 0x2800
GUEST_CR0                      equ 0x6800
GUEST_CR3                      equ 0x6802
GUEST_CR4                      equ 0x6804
GUEST_RSP                      equ 0x681c
GUEST_RIP                      equ 0x681e
HOST_CR0                       equ 0x6c00
HOST_CR3                       equ 0x6c02
HOST_CR4                       equ 0x6c04
HOST_RSP                       equ 0x6c14
HOST_RIP                       equ 0x6c16

; Selectors of the boot contract, and what marks a segment register as empty.
CODE        equ 0x08
DATA        equ 0x10
UNUSABLE    equ 1 << 16

; Interruption information: vector in bits 7:0, type in 10:8, bit 11 with an error code, bit 31 valid.
VALID       equ 1 << 31
INTERRUPT   equ 0 << 8
EXCEPTION   equ 3 << 8
ERROR_CODE  equ 1 << 11
GP          equ 13
VECTOR      equ 0x30
IF          equ 1 << 9
WINDOW      equ 1 << 2              ; interrupt-window exiting, a primary control

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

    mov rdi, idt + GP * 16          ; the guest's gates
    mov rax, guest_protection
    call gate
    mov rdi, idt + VECTOR * 16
    mov rax, guest_interrupt
    call gate

    vmlaunch

failed:
    mov al, 1
    out 0xf4, al
    hlt

; Makes a gate at RDI to RAX.
gate:
    mov [rdi], ax
    mov word [rdi + 2], CODE
    mov word [rdi + 4], 0x8e00      ; present, interrupt gate
    shr rax, 16
    mov [rdi + 6], ax
    shr rax, 16
    mov [rdi + 8], eax
    ret

exit:
    push rax                        ; an exit leaves the general registers as the guest had them
    push rcx
    push rdx
    push rbx
    mov edx, VM_EXIT_REASON
    vmread rax, rdx
    cmp eax, 30                     ; I/O instruction
    je refuse
    cmp eax, 18                     ; VMCALL: the guest wants its interrupt
    je request
    cmp eax, 7                      ; interrupt window
    je window
    cmp eax, 12                     ; HLT: the guest has finished
    jne failed
    cmp r12d, 1                     ; one #GP, one interrupt
    jne failed
    cmp r13d, 1
    jne failed
    mov al, 0                       ; all is well: the run ends with status 2 * 0 + 1
    out 0xf4, al
    hlt

; #GP(0) in place of the instruction. RIP stays: a fault is raised at the instruction that causes it.
refuse:
    mov edx, VM_ENTRY_EXCEPTION_ERROR_CODE
    xor eax, eax
    vmwrite rdx, rax
    mov edx, VM_ENTRY_INTR_INFO_FIELD
    mov eax, VALID | EXCEPTION | ERROR_CODE | GP
    vmwrite rdx, rax
    jmp resume

request:
    mov edx, VM_EXIT_INSTRUCTION_LEN
    vmread rax, rdx
    mov edx, GUEST_RIP
    vmread rbx, rdx
    add rax, rbx
    vmwrite rdx, rax
    mov edx, GUEST_RFLAGS
    vmread rax, rdx
    test eax, IF
    jz .wait                        ; an entry that injects an interrupt while IF is 0 would fail
    mov edx, GUEST_INTERRUPTIBILITY_STATE
    vmread rax, rdx
    test eax, 3                     ; blocking by STI or by MOV SS
    jz inject
.wait:
    mov edx, CPU_BASED_VM_EXEC_CONTROL
    vmread rax, rdx
    or eax, WINDOW
    vmwrite rdx, rax
    jmp resume

window:
    mov edx, CPU_BASED_VM_EXEC_CONTROL
    vmread rax, rdx
    and eax, ~WINDOW                ; or it would exit again at once
    vmwrite rdx, rax
inject:
    mov edx, VM_ENTRY_INTR_INFO_FIELD
    mov eax, VALID | INTERRUPT | VECTOR
    vmwrite rdx, rax
resume:
    pop rbx
    pop rdx
    pop rcx
    pop rax
    vmresume
    jmp failed

guest:
    xor r12d, r12d
    xor r13d, r13d
    in al, 0x60                     ; exits, and is refused
    vmcall                          ; IF is 0: the interrupt has to wait
    nop
    sti                             ; holds interrupts off for one instruction more
    nop
.window:
    nop                             ; the window opens before this one
    hlt

guest_protection:
    inc r12d
    add rsp, 8                      ; the error code
    add qword [rsp], 2              ; IN has two bytes: go on behind it
    iretq

guest_interrupt:
    inc r13d
    iretq

align 8
controls:                               ; field, capability MSR, bits that are wanted
    dd PIN_BASED_VM_EXEC_CONTROL, 0x481, 0
    dd CPU_BASED_VM_EXEC_CONTROL, 0x482, 1 << 7 | 1 << 24   ; HLT exiting, unconditional I/O exiting
    dd VM_EXIT_CONTROLS, 0x483, 1 << 9                  ; host address-space size
    dd VM_ENTRY_CONTROLS, 0x484, 1 << 9                 ; IA-32e mode guest
controls_end:

align 8
registers:
    dq HOST_CR0, HOST_CR3, HOST_CR4
    dq GUEST_CR0, GUEST_CR3, GUEST_CR4
fields:
    dq 0x6816, 0x90000                  ; GUEST_GDTR_BASE, of the boot contract
    dq 0x4810, 0x1f                     ; GUEST_GDTR_LIMIT
    dq 0x6818, idt                      ; GUEST_IDTR_BASE
    dq 0x4812, VECTOR * 16 + 15         ; GUEST_IDTR_LIMIT
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

align 16
idt: times (VECTOR + 1) * 16 db 0

align 4096
vmxon_region: times 4096 db 0
vmcs_region: times 4096 db 0
vmxon_pointer: dq vmxon_region
vmcs_pointer: dq vmcs_region
    times 512 db 0
guest_stack:
