; The smallest hypervisor that is one: VMXON, a VMCS, one guest, one exit, and back again.
; The guest executes CPUID, which always exits; the host answers for it, skips the instruction and resumes.
bits 64

; Fields of the VMCS, by their encodings (Intel SDM vol. 3, "Field Encoding in VMCS").
PIN_BASED_VM_EXEC_CONTROL   equ 0x4000
CPU_BASED_VM_EXEC_CONTROL   equ 0x4002
VM_EXIT_CONTROLS            equ 0x400c
VM_ENTRY_CONTROLS           equ 0x4012
VM_EXIT_REASON              equ 0x4402
VM_EXIT_INSTRUCTION_LEN     equ 0x440c
VMCS_LINK_POINTER           equ 0x2800
GUEST_CR0                   equ 0x6800
GUEST_CR3                   equ 0x6802
GUEST_CR4                   equ 0x6804
GUEST_RSP                   equ 0x681c
GUEST_RIP                   equ 0x681e
HOST_CR0                    equ 0x6c00
HOST_CR3                    equ 0x6c02
HOST_CR4                    equ 0x6c04
HOST_RSP                    equ 0x6c14
HOST_RIP                    equ 0x6c16

; Selectors of the boot contract, and what marks a segment register as empty.
CODE        equ 0x08
DATA        equ 0x10
UNUSABLE    equ 1 << 16

start:
    ; VMX operation must be allowed: the firmware locks this register, and we do where it has not.
    mov ecx, 0x3a                   ; IA32_FEATURE_CONTROL
    rdmsr
    test eax, 1
    jnz .locked
    or eax, 5
    wrmsr
.locked:
    mov rax, cr0
    or rax, 1 << 5                  ; CR0.NE is fixed to 1 in VMX operation
    mov cr0, rax
    mov rax, cr4
    or rax, 1 << 13                 ; CR4.VMXE
    mov cr4, rax

    mov ecx, 0x480                  ; IA32_VMX_BASIC: the revision identifier begins both regions
    rdmsr
    mov [vmxon_region], eax
    mov [vmcs_region], eax
    vmxon [vmxon_pointer]
    jbe failed
    vmclear [vmcs_pointer]
    jbe failed
    vmptrld [vmcs_pointer]
    jbe failed

    ; Controls: what the processor demands (low half of the capability MSR), what we want, nothing that it forbids.
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

    ; Host and guest live in the same address space: both have our control registers.
    mov rsi, registers
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

    ; Everything else is the same each time: a table of fields and values.
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
    jmp failed                      ; an entry that succeeds does not come here

exit:
    mov rdx, VM_EXIT_REASON
    vmread rax, rdx
    cmp eax, 10                     ; CPUID
    jne .not_cpuid
    mov eax, 0x12345678             ; what this hypervisor's CPUID says
    mov r15, rax
    mov rdx, GUEST_RIP
    vmread rax, rdx
    mov rcx, VM_EXIT_INSTRUCTION_LEN
    vmread rbx, rcx
    add rax, rbx
    vmwrite rdx, rax
    mov rax, r15
    vmresume
    jmp failed
.not_cpuid:
    cmp eax, 12                     ; HLT: the guest has finished
    jne failed
    mov al, 0                       ; all is well: the run ends with status 2 * 0 + 1
    out 0xf4, al
    hlt

failed:
    mov al, 1
    out 0xf4, al
    hlt

guest:
    xor eax, eax
    cpuid
    mov rdi, rax
    hlt

align 8
controls:                               ; field, capability MSR, bits that are wanted
    dd PIN_BASED_VM_EXEC_CONTROL, 0x481, 0
    dd CPU_BASED_VM_EXEC_CONTROL, 0x482, 1 << 7         ; HLT exiting
    dd VM_EXIT_CONTROLS, 0x483, 1 << 9                  ; host address-space size
    dd VM_ENTRY_CONTROLS, 0x484, 1 << 9                 ; IA-32e mode guest
controls_end:

align 8
registers:
    dq HOST_CR0, HOST_CR3, HOST_CR4
    dq GUEST_CR0, GUEST_CR3, GUEST_CR4
fields:
    dq VMCS_LINK_POINTER, -1
    dq 0x0c02, CODE                     ; HOST_CS_SELECTOR
    dq 0x0c04, DATA                     ; HOST_SS_SELECTOR
    dq 0x0c0c, 0x18                     ; HOST_TR_SELECTOR: any but 0
    dq HOST_RIP, exit                   ; where an exit lands
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
    dq 0x6820, 2                        ; GUEST_RFLAGS: bit 1 is always 1
    dq GUEST_RSP, guest_stack
    dq GUEST_RIP, guest
fields_end:

align 4096
vmxon_region: times 4096 db 0
vmcs_region: times 4096 db 0
vmxon_pointer: dq vmxon_region
vmcs_pointer: dq vmcs_region
    times 512 db 0
guest_stack:
