/** Assembly by which a 32-bit guest finds ACPI tables as a kernel does: by their signatures, checking every checksum. */

export const findTables = `
; EAX = address of the table whose signature is in EDX; 0 when there is none. Changes EBX, ECX, ESI, EDI.
find_table:
        mov     esi, 0xe0000
.scan:  cmp     dword [esi], 'RSD '
        jne     .next
        cmp     dword [esi + 4], 'PTR '
        jne     .next
        mov     ecx, 20
        call    checksum
        jz      .found
.next:  add     esi, 16
        cmp     esi, 0x100000
        jb      .scan
.none:  xor     eax, eax
        ret
.found: mov     esi, [esi + 16]         ; the RSDT
        mov     ecx, [esi + 4]
        call    checksum
        jnz     .none
        mov     edi, esi
        lea     ebx, [esi + ecx]
        add     edi, 36
.entry: cmp     edi, ebx
        jae     .none
        mov     esi, [edi]
        add     edi, 4
        cmp     [esi], edx
        jne     .entry
        mov     ecx, [esi + 4]
        call    checksum
        jnz     .none
        mov     eax, esi
        ret
; ZF when ECX bytes at ESI sum to zero. Changes EAX.
checksum:
        push    ecx
        push    esi
        xor     eax, eax
.next:  add     al, [esi]
        inc     esi
        dec     ecx
        jnz     .next
        pop     esi
        pop     ecx
        test    al, al
        ret
`;
