/** Intel SDM vol. 3, "The Extended Page Table Mechanism (EPT)": guests that EPT stops, and what the exits say. */

import { describe, expect, test } from 'vitest';
import {
  ACCESSED_DIRTY,
  behindEpt,
  DATA,
  firstExit,
  MISCONFIGURATION,
  PD,
  PDPT,
  PML4,
  POINTER,
  PT,
  page,
  put,
  secondary,
  VIOLATION,
} from './ept-guest';

const R = 1;
const W = 2;
const X = 4;
/** Of the exit qualification: what was allowed; the linear address is valid; the access was to its translation. */
const allowed = (rights: number): number => rights << 3;
const LINEAR = 0x80;
const FINAL = 0x100;
const BY_IRET = 0x1000;

const READ_DATA = 'mov rax, [0x400008]';

describe('a violation tells', () => {
  test.each([
    ['a read of a page that is not there', READ_DATA, put(PT, 0), R | LINEAR | FINAL],
    ['a write of one', 'mov [0x400008], rax', put(PT, 0), W | LINEAR | FINAL],
    [
      'a write of a page that may be read and executed',
      'mov [0x400008], rax',
      put(PT, page(DATA, R | X)),
      W | allowed(R | X) | LINEAR | FINAL,
    ],
    [
      'a fetch from a page that may be read and written',
      'jmp 0x400008',
      put(PT, page(DATA, R | W)),
      X | allowed(R | W) | LINEAR | FINAL,
    ],
    ['a read of a page that may be executed alone', READ_DATA, put(PT, page(DATA, X)), R | allowed(X) | LINEAR | FINAL],
    [
      'rights that a level above takes away',
      'mov [0x400008], rax',
      put(PD + 16, PT | R | X),
      W | allowed(R | X) | LINEAR | FINAL,
    ],
    [
      'a read-modify-write as the write it needs',
      'lock inc qword [0x400008]',
      put(PT, page(DATA, R | X)),
      W | allowed(R | X) | LINEAR | FINAL,
    ],
  ])('%s', (_, guest, changes, qualification) => {
    expect(firstExit(`mov rbx, 0x400000\n${guest}`, changes)).toMatchObject({
      reason: VIOLATION,
      qualification: BigInt(qualification),
      guestPhysical: 0x40_0008n,
      guestLinear: 0x40_0008n,
      cause: { rule: 'ept.violation', field: 'EPT_POINTER' },
    });
  });

  test('an address that EPT does not reach: the first entry is absent', () => {
    const exit = firstExit('mov rax, 0xc0000010\nmov rax, [rax]', put(PDPT + 24, 0));
    expect(exit).toMatchObject({ qualification: BigInt(R | LINEAR | FINAL), guestPhysical: 0xc000_0010n });
    expect(exit.cause).toMatchObject({ value: 0n, bitmapByte: BigInt(PDPT + 24) });
  });

  test('the page that an access goes on into, at the instruction that makes it', () => {
    const { seen, guest } = behindEpt('reading: mov rax, [0x400ffc]', put(PT + 8, 0), { exits: 1 });
    expect(seen[0]).toMatchObject({ guestLinear: 0x40_1000n, guestPhysical: 0x40_1000n, rip: guest.symbol('reading') });
  });

  test('the page that an instruction goes on into', () => {
    // MOV RAX, imm64 begins two bytes before the end of the page.
    const code = put(0x40_0ff8, 0xb848_9090_9090_9090n);
    expect(firstExit('jmp 0x400ff8', code + put(PT + 8, page(DATA + 4096, R | W)))).toMatchObject({
      qualification: BigInt(X | allowed(R | W) | LINEAR | FINAL),
      guestLinear: 0x40_1000n,
      at: 0x40_0ffen,
    });
  });

  test('what may be executed alone is executed', () => {
    const { seen } = behindEpt('call 0x400000', put(0x40_0000, 0xc3) + put(PT, page(DATA, X)));
    expect(seen.map(({ reason }) => reason)).toEqual([18]);
  });
});

describe("an access to the guest's own tables", () => {
  /** The guest's PML4 and PDPT lie in the second and third page, and map 1 GiB. */
  const own = (pdpte: number): string => put(0x40_1000, 0x40_2027) + put(0x40_2000, pdpte);
  const CR3 = { GUEST_CR3: 0x40_1000 };
  const MARKED = 0xe7;

  test('is a read, to no translation', () => {
    const exit = firstExit('nop', own(MARKED) + put(PT + 16, 0), { fields: CR3 });
    expect(exit).toMatchObject({ qualification: BigInt(R | LINEAR), guestPhysical: 0x40_2000n });
    expect(exit.guestLinear).toBe(exit.rip);
  });

  test('is read and written where EPT has accessed and dirty flags', () => {
    const fields = { ...CR3, EPT_POINTER: POINTER | ACCESSED_DIRTY };
    expect(firstExit('nop', own(MARKED) + put(PT + 8, page(0x40_1000, R | X)), { fields })).toMatchObject({
      qualification: BigInt(R | W | allowed(R | X) | LINEAR),
      guestPhysical: 0x40_1000n,
    });
  });

  test('that sets an accessed flag is a write', () => {
    const change = own(MARKED & ~0x20) + put(PT + 16, page(0x40_2000, R | X));
    expect(firstExit('nop', change, { fields: CR3 })).toMatchObject({
      qualification: BigInt(W | allowed(R | X) | LINEAR),
      guestPhysical: 0x40_2000n,
    });
    const marked = own(MARKED) + put(PT + 16, page(0x40_2000, R | X));
    expect(behindEpt('nop', marked, { fields: CR3 }).seen.map(({ reason }) => reason)).toEqual([18]);
  });

  test('goes to where EPT leads', () => {
    const moved = put(0x50_1000, 0x40_2027) + put(0x50_2000, MARKED);
    const change = moved + put(PT + 8, page(0x50_1000)) + put(PT + 16, page(0x50_2000));
    expect(behindEpt('nop', change, { fields: CR3 }).seen.map(({ reason }) => reason)).toEqual([18]);
  });
});

describe('a misconfiguration names the bit', () => {
  const far = 1n << 51n;
  test.each([
    ['writable and not readable', PT, page(DATA, W), 'ept.write-only', 1],
    ['writable, executable and not readable', PT, page(DATA, W | X), 'ept.write-only', 1],
    ['memory type 2', PT, DATA | 7 | (2 << 3), 'ept.memory-type', 3],
    ['memory type 7', PT, DATA | 7 | (7 << 3), 'ept.memory-type', 3],
    ['an address beyond the processor', PT, BigInt(page(DATA)) | far, 'ept.reserved', 51],
    ['address bits below 2 MiB', PD + 16, 0x80 | page(DATA | 0x1000), 'ept.reserved', 12],
    ['a memory type where a table follows', PD + 16, PT | 7 | 8, 'ept.reserved', 3],
    ['a large page at the top', PML4, PDPT | 7 | 0x80, 'ept.reserved', 7],
  ])('%s', (_, at, entry, rule, bit) => {
    const exit = firstExit(READ_DATA, put(at, entry));
    expect(exit).toMatchObject({ reason: MISCONFIGURATION, cause: { rule, bit, value: BigInt(entry) } });
    expect(exit.cause.bitmapByte).toBe(BigInt(at));
    expect(exit.qualification ?? 0n).toBe(0n);
    if (at !== PML4) expect(exit.guestPhysical).toBe(0x40_0008n);
  });
});

describe('accessed and dirty flags', () => {
  const entries = (run: ReturnType<typeof behindEpt>, ...addresses: number[]): number[] =>
    addresses.map((address) => Number(run.guest.memory(address, 8) & 0x300n));
  const GUEST = `mov rax, [0x400000]
        mov [0x401000], rax
        mov rax, [0x402000]
        mov [0x402000], rax`;

  test('are set where the pointer enables them: on the way and on the page', () => {
    const run = behindEpt(GUEST, '', { fields: { EPT_POINTER: POINTER | ACCESSED_DIRTY } });
    expect(entries(run, PT, PT + 8, PT + 16, PT + 24, PD + 16, PDPT, PML4)).toEqual([
      ...[0x100, 0x300, 0x300, 0, 0x100, 0x100, 0x100],
    ]);
  });
  test('and not otherwise', () => {
    const run = behindEpt(GUEST, '');
    expect(entries(run, PT, PT + 8, PT + 16, PD + 16, PML4)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('during the delivery of an event', () => {
  const STACK = 'mov rsp, 0x400800';
  test('the exit says what was being delivered', () => {
    const exit = firstExit(`${STACK}\nud2`, put(PT, page(DATA, R | X)));
    expect(exit).toMatchObject({ reason: VIOLATION, qualification: BigInt(W | allowed(R | X) | LINEAR | FINAL) });
    expect(exit.vectoring).toBe(0x8000_0306);
  });
  test('by INT n, with the length of the instruction', () => {
    const exit = firstExit(`${STACK}\nint 0x31`, put(PT, 0));
    expect(exit).toMatchObject({ reason: VIOLATION, vectoring: 0x8000_0431, instructionLength: 2 });
  });
  test('a page fault in a guest comes before EPT', () => {
    // CR2 and error code as ever: the guest's tables say no first.
    const own = put(0x40_1000, 0x40_2027) + put(0x40_2000, 0xe5) + put(PT, 0);
    const { seen } = behindEpt('mov [0x400008], rax', own, {
      exits: 1,
      fields: { GUEST_CR3: 0x40_1000, GUEST_CR0: 0x8001_0031, EXCEPTION_BITMAP: 1 << 14 },
    });
    expect(seen[0]).toMatchObject({ reason: 0, qualification: 0x40_0008n, errorCode: 3 });
  });
  test('an IRET that unblocked NMIs says so', () => {
    const exit = firstExit('mov rsp, 0x400800\niretq', put(PT, 0), {
      pin: 8 | 0x20,
      fields: { GUEST_INTERRUPTIBILITY_STATE: 8 },
    });
    expect(exit).toMatchObject({ reason: VIOLATION, qualification: BigInt(R | LINEAR | FINAL | BY_IRET) });
  });
});

describe('other guests', () => {
  const ends = '\nmov eax, 0x900d\nvmcall\nbits 64\n';
  test('without paging, linear addresses are guest-physical', () => {
    const spec = {
      long: false,
      secondary: secondary.ept | secondary.unrestricted,
      fields: { GUEST_CR0: 0x31, GUEST_CR4: 0x2000, GUEST_CS_AR_BYTES: 0xc09b },
    } as const;
    const moved = put(0x50_0000, 0x1234) + put(PT, page(0x50_0000));
    const { seen, exits } = behindEpt(`bits 32\nmov eax, [0x400000]\ncpuid${ends}`, moved, spec);
    expect(seen.map(({ reason }) => reason)).toEqual([10, 18]);
    expect(exits[0]?.RAX).toBe(0x1234n);
  });

  test('a MOV to CR3 in PAE paging reads its entries through EPT', () => {
    const directory = put(0x40_3000, 0xe7) + put(0x40_3010, 0x40_00e7);
    const fields = {
      GUEST_CR0: 0x8000_0031,
      GUEST_CR4: 0x2020,
      GUEST_CR3: 0x40_1000,
      GUEST_PDPTR0: 0x40_3001,
      GUEST_CS_AR_BYTES: 0xc09b,
    };
    const spec = { long: false, fields } as const;
    const code = `bits 32\nmov eax, 0x402000\nmov cr3, eax\nmov eax, [0x405000]\ncpuid${ends}`;
    const good = put(0x50_2000, 0x40_4001) + put(0x40_4000, 0xe7) + put(0x40_4010, 0x60_00e7) + put(0x60_5000, 0x77);
    const run = behindEpt(code, directory + good + put(PT + 16, page(0x50_2000)), spec);
    expect(run.seen.map(({ reason }) => reason)).toEqual([10, 18]);
    expect(run.exits[0]?.RAX).toBe(0x77n);
    // No linear address asks for them.
    const exit = firstExit(code, directory + put(PT + 16, 0), spec);
    expect(exit).toMatchObject({ reason: VIOLATION, qualification: BigInt(R), guestPhysical: 0x40_2000n });
    expect(exit.guestLinear).toBeUndefined();
  });
});
