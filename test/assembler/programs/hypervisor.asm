; Instructions of monitors: VMX, SVM, descriptor tables, caches, and the vector extensions they save.
        bits 64
        default rel
        org 0x200000
enter_root:
        mov rax, cr4
        or eax, 1 << 13
        mov cr4, rax
        vmxon [vmxon_region]
        setna al
        vmclear [vmcs_region]
        vmptrld [vmcs_region]
        mov eax, 0x681e
        lea rcx, [guest]
        vmwrite rax, rcx
        vmread rdx, rax
        vmread [result], rax
        vmwrite rax, [result]
        vmlaunch
        vmresume
        vmptrst [result]
        invept rax, [descriptor]
        invvpid rax, [descriptor]
        vmfunc
        vmcall
        vmxoff
        vmrun
        vmload
        vmsave
        vmmcall
        stgi
        clgi
        invlpga
        skinit
guest:  cpuid
        rdtscp
        xgetbv
        xsetbv
        xsave [area]
        xsave64 [area]
        xrstor64 [area]
        xsaveopt [area]
        fxsave [area]
        fxsave64 [area]
        fxrstor [area]
        clflush [rdi]
        clflushopt [rdi]
        clwb [rdi]
        prefetchnta [rsi]
        prefetcht0 [rsi + 64]
        monitor
        mwait
        invpcid rax, [descriptor]
        rdfsbase rax
        wrgsbase rbx
        clac
        stac
        rdrand eax
        rdseed r9
        sgdt [descriptor]
        sidt [descriptor]
        sldt ax
        str [result]
        lldt ax
        ltr r9w
        smsw eax
        lmsw ax
        lar eax, bx
        lsl rax, rbx
        verr ax
        verw [result]
        movnti [rdi], rax
        movdqu xmm0, [rsi]
        movaps [rdi], xmm15
        movq rax, xmm1
        movd xmm9, eax
        pshufb xmm0, [rsi]
        pclmulqdq xmm1, xmm2, 0x11
        aesenc xmm0, xmm1
        vaddpd ymm1, ymm2, [rsi]
        vfmadd231ps xmm8, xmm9, [rbp]
        vpermq ymm0, ymm1, 0xd8
        vgatherdps xmm1, [rsi + xmm2 * 4], xmm3
        vaddps zmm1{k1}{z}, zmm2, [rsi]{1to16}
        vcmpltps k1, zmm2, zmm3
        vscatterqpd [rdi + zmm1 * 8 + 256]{k2}, zmm3
        vcvtsd2si rax, xmm1, {rz-sae}
        kmovq k1, rax
        bextr eax, [rsi], ebx
        pdep rax, rbx, [rsi]
        shlx rax, [rsi], rcx
        rorx eax, ebx, 5
        andn rax, rbx, rcx
        adcx eax, [rsi]
        popcnt rax, [rsi]
        lzcnt ax, bx
        tzcnt eax, [rsi]
        movbe [rdi], rax
        crc32 rax, qword [rsi]
        fld tword [area]
        fstp qword [result]
        fild word [result]
        fadd
        fsubp st3
        fstcw [result]
        fnstsw ax
        xbegin .abort
        xabort 1
        xend
.abort: xtest
        xacquire lock add [rsi], eax
        bnd jmp guest
        repne scasb
        rep ret
        ud2
        align 16
descriptor: dq 1, 2
result: dq 0
        align 4096, db 0
vmxon_region: times 4096 db 0
vmcs_region: times 4096 db 0
area:   times 512 db 0
