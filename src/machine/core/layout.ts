/**
 * Where everything lives in the one linear memory that the core and TypeScript share. This file alone knows offsets:
 * the emitters and the accessors of `memory.ts` and `state.ts` derive theirs from it.
 *
 *   0              nothing (address 0 means "none")
 *   VCPUS          one block per vCPU: architectural state, architectural TLBs, then derived tables
 *   FRAMES         frame table: one u32 per physical page below 4 GiB, see `frame`
 *   CODE_LINES     one u32 per physical page below 4 GiB: which of its 32 lines of 128 bytes hold decoded code
 *   ZERO_FRAME     the frame that every untouched page reads
 *   STOPS          what judge.ts looks up: addresses to stop at, hit counts
 *   RECORDS        the pool of micro-op records
 *   POOL           frames of guest memory, given on first write; grows to the end of the memory
 */

/** Offsets of named fields, laid out one after the other with natural alignment. */
const struct = <const Fields extends Record<string, number>>(
  start: number,
  fields: Fields,
): { readonly [Name in keyof Fields]: number } & { readonly end: number } => {
  let at = start;
  const offsets: Record<string, number> = {};
  for (const [name, size] of Object.entries(fields)) {
    const alignment = size % 8 === 0 ? 8 : size % 4 === 0 ? 4 : size;
    at = (at + alignment - 1) & -alignment;
    offsets[name] = at;
    at += size;
  }
  return { ...offsets, end: at } as { readonly [Name in keyof Fields]: number } & { readonly end: number };
};

/**
 * The state of one vCPU, relative to its base. The general registers come first, then the read-only slots that a
 * micro-op may name as a base register: record operands are byte offsets below 256 into this block.
 */
export const state = struct(0, {
  gpr: 16 * 8,
  /** Always 0: the base or index register of an address that has none. */
  zero: 8,
  /** RIP of offset 0 of the page that is being executed (linear page minus CS.base outside 64-bit mode). */
  ipBase: 8,
  /** Bases of ES CS SS DS FS GS LDTR TR. */
  segmentBase: 8 * 8,

  /** Lazy flags, see flags.ts: `result` sign-extended; `aux` bit 63 CF, 63^62 OF, 3 AF, 0 SF and 1 PF inverted. */
  result: 8,
  aux: 8,
  /** EFLAGS without CF PF AF ZF SF OF. */
  flags: 4,
  cpl: 4,
  rip: 8,

  segmentSelector: 8 * 4,
  segmentLimit: 8 * 4,
  /** Access rights as the VMCS keeps them: bits 0-7 and 12-15 of the descriptor's, bit 16 unusable. */
  segmentAccess: 8 * 4,

  gdtrBase: 8,
  idtrBase: 8,
  gdtrLimit: 4,
  idtrLimit: 4,

  cr0: 8,
  cr2: 8,
  cr3: 8,
  cr4: 8,
  efer: 8,
  dr: 8 * 8,
  pdpte: 4 * 8,

  /** Bit 0 blocking by STI, bit 1 by MOV SS, bit 3 by NMI: the VMCS field's bits. */
  interruptibility: 4,
  /** 0 active, 1 HLT, 2 shutdown, 3 wait-for-SIPI. */
  activity: 4,
  /** Debug exceptions that wait for the end of MOV SS blocking: bits of DR6. */
  pendingDebug: 8,
  pendingNmi: 4,
  pendingInit: 4,
  /** A start-up IPI for a guest that waits for one: its vector, and bit 8. */
  pendingSipi: 4,
  /** MONITOR: address of the armed line, or all ones. */
  monitor: 8,

  /** VMX operation: on, non-root, VMXON region, slot of the current VMCS (0 none), an MTF VM exit that is due. */
  vmxOn: 4,
  vmxNonRoot: 4,
  /** VMXON was executed since power-on: there may be active VMCSs. */
  vmxUsed: 4,
  vmxonPointer: 8,
  vmcsSlot: 4,
  trapFlagPending: 4,
  tprExitPending: 4,
  /** Is `pauseStart` the start of a loop of PAUSE? Virtual times (floats) of its first and its last PAUSE. */
  pauseFirst: 4,
  pauseStart: 8,
  pauseLast: 8,
  /** Virtual time (a float) at which the VMX-preemption timer reaches 0. */
  timerDeadline: 8,

  /** One slot for each model-specific register that is kept as a plain value; order: x86/msrs.ts. */
  msr: 96 * 8,

  /** Everything below is derived or transient: not part of a snapshot. */
  transient: 0,
  /** Steps the core may still run; below 0 it leaves at the next end of a block. */
  budget: 4,
  /** REP iterations that were not the last since TypeScript looked. */
  unretired: 8,
  /** Not 0: leave before the next instruction. */
  leave: 4,
  /** An interrupt is waiting for IF: STI, POPF, IRET and MOV CR8 must leave. */
  interruptWaiting: 4,
  /**
   * RF lasts for one instruction: while the core runs it is no bit of the flags word, but what the budget was when it
   * was loaded. Only where nothing was executed since does it show again.
   */
  resumePending: 4,
  resumeBudget: 4,
  /** What the budget was at the last REP iteration that was not the last. */
  repeatBudget: 4,
  /** Not 0: somebody listens to events that machine/core/transfers.ts would not tell. */
  observed: 4,
  /** Events since TypeScript looked: by vector exceptions, then INT n; ring changes; SYSCALLs and SYSRETs. */
  trapCounts: 512 * 4,
  ringCount: 4,
  syscallCount: 4,
  /** VMREADs and VMWRITEs since then, and fills of the TLB. */
  vmcsCount: 4,
  fillCount: 4,
  /** Steps done when the core was entered, and its budget of then: where it is, the budget that is left tells. */
  stepBase: 8,
  /** Base of the supervisor's fast tables and jump cache; the user's follow. */
  fastSupervisor: 4,
  jumpsSupervisor: 4,
  /** Base of the fast tables and the jump cache of the present privilege. */
  fast: 4,
  jumps: 4,
  /** Record at which the core left, and why. */
  record: 4,
  status: 4,
  /** Arguments of a call out: linear address, bytes, what for; value in and out. */
  accessAddress: 8,
  accessSize: 4,
  accessKind: 4,
  accessValue: 8,
  /** An exception raised by an instruction: vector, error code (-1 none), reason number. */
  faultVector: 4,
  faultCode: 4,
  faultReason: 4,
  /** Target RIP of a jump that the jump cache does not know. */
  target: 8,
  /** Lowest and highest offset that may be read or written through each segment outside 64-bit mode. */
  readLow: 8 * 4,
  readHigh: 8 * 4,
  writeLow: 8 * 4,
  writeHigh: 8 * 4,
  /** All ones or 0xffff: the mask of the stack pointer outside 64-bit mode. */
  stackMask: 8,
  /** Where this much of the budget is left no breakpoint is judged: it was before. */
  judgedBudget: 4,
});

/** Kept free for the XSAVE area, so that adding it moves nothing. */
const XSAVE_SIZE = 4096;

/** Fast table: entries of 16 bytes {i64 tag, i32 addend, u32 physical page}, for reads and for writes, per privilege. */
export const FAST_ENTRIES = 1024;
const FAST_BYTES = FAST_ENTRIES * 16;
/** Within the fast tables of one privilege. */
export const fast = { read: 0, write: FAST_BYTES, size: 2 * FAST_BYTES } as const;
/** The tag of a writable page that holds decoded code carries this bit: the compare fails and the slow path decides. */
export const TAG_CODE = 1 << 11;

/** Jump cache: entries of 16 bytes {i64 rip, u32 record, i32 unused}, per privilege. */
export const JUMP_ENTRIES = 4096;
const JUMP_BYTES = JUMP_ENTRIES * 16;

/** Both privileges' tables; there is one such bank for root operation, or a processor without VT-x, and one for its guest. */
export const FAST_BANK = 2 * fast.size;
export const JUMP_BANK = 2 * JUMP_BYTES;

/** An active VMCS in its slot. */
export const vmcsSlot = {
  size: 8192,
  /** Physical address of its region; bit 0 in use, bit 1 launched; when it was made current, for the choice of a victim. */
  address: 0,
  flags: 8,
  age: 12,
  /** A bit for each field that was written since the VMCS last passed the checks of an entry; all where it never did. */
  changed: 32,
  /** Eight bytes for each field, by its number. */
  fields: 64,
  /** Who wrote each last: {u64 step * 8 + writer, u64 RIP}. */
  writers: 64 + 256 * 8,
} as const;
/** Writers as they are kept. */
export const VMCS_WRITERS = ['never', 'vmwrite', 'exit', 'load', 'debugger'] as const;

const align = (value: number, to: number) => Math.ceil(value / to) * to;

export const vcpu = (() => {
  const xsave = align(state.end, 64);
  /** Architectural TLBs: bytes, see cpu/tlb.ts for what is in them. */
  const tlb = align(xsave + XSAVE_SIZE, 4096);
  const tlbSize = 256 * 1024;
  /** Active VMCSs, see vmx/vmcs.ts. */
  const vmcs = tlb + tlbSize;
  const vmcsSize = 16 * vmcsSlot.size;
  /** Numbers of the fields that this processor has, plus 1, by bits 14:1 of their encodings; 0: none. */
  const vmcsFields = vmcs + vmcsSize;
  const fastTables = vmcsFields + 16384;
  const jumpCaches = fastTables + 2 * FAST_BANK;
  return {
    xsave,
    tlb,
    tlbSize,
    vmcs,
    vmcsSize,
    vmcsFields,
    fastTables,
    jumpCaches,
    size: align(jumpCaches + 2 * JUMP_BANK, 65536),
  } as const;
})();

/** Size of one privilege's jump cache in bytes. */
export const JUMP_CACHE_SIZE = JUMP_BYTES;

const MAX_VCPUS = 8;
export const VCPUS = 65536;
/** Base of a vCPU's block. */
export const vcpuBase = (index: number): number => VCPUS + index * vcpu.size;

const PAGES = 2 ** 20;
export const FRAMES = VCPUS + MAX_VCPUS * vcpu.size;
export const CODE_LINES = FRAMES + PAGES * 4;
export const ZERO_FRAME = CODE_LINES + PAGES * 4;
/** Addresses at which to stop whatever holds (i64 each, how many before them), and counts of hits. */
export const STOPS = ZERO_FRAME + 4096;
export const MOST_STOPS = 2047;
export const HIT_COUNTS = STOPS + 8 + MOST_STOPS * 8;
export const MOST_HIT_COUNTS = 4096;
export const RECORDS = ZERO_FRAME + 65536;
export const RECORD_SIZE = 32;
export const RECORD_POOL = 32 * 1024 * 1024;
export const POOL = RECORDS + RECORD_POOL;

/** A frame table entry: address of the frame (4 KiB aligned) with these bits; 0 is RAM that was never written. */
export const frame = {
  /** Not memory: a device's window, or nothing at all. */
  device: 1,
  /** Read-only memory: writes are ignored. */
  rom: 2,
  /** Written since the last snapshot. */
  dirty: 4,
  /** Some bytes are watched: every access goes the slow way. */
  watched: 8,
} as const;

/** A micro-op record, relative to its address. */
export const record = {
  handler: 0,
  /** Byte offsets into the vCPU's state: the operands' registers, and base and index of the memory operand. */
  op0: 4,
  op1: 5,
  base: 6,
  index: 7,
  displacement: 8,
  /** log2 of the scale. */
  scale: 12,
  /** Instructions of the block before this one. */
  before: 13,
  /** Offset in the page (bits 0-11) and length - 1 (bits 12-15). */
  place: 14,
  immediate: 16,
  /** Records of the branch's two ways. */
  taken: 16,
  notTaken: 20,
  /** Byte offset of the segment's base in the state, for accesses that go through a segment. */
  segment: 24,
  /** Third register operand. */
  op2: 25,
  /** The handler to use when the instruction is executed alone. */
  plain: 26,
  /** Offset of the next instruction in the page. */
  extra: 28,
} as const;

/** Why the core left. */
export const status = {
  none: 0,
  /** The budget is used up: `record` is the next to run. */
  budget: 1,
  /** The jump cache does not know `target`. */
  jump: 2,
  /** An access could not be made: the fast path only; the cold twin decides. */
  miss: 3,
  /** An instruction raised `faultVector`, or a call out did and keeps the reason. */
  fault: 4,
  /** The instruction at `record` is TypeScript's. */
  slow: 5,
  /** The code behind `record` was changed: look it up again. */
  stale: 6,
  /** A breakpoint is set on `record`. */
  breakpoint: 7,
  /** `leave` was set by what happened in the instruction just executed. */
  leave: 8,
  /** `record` stands for a branch target that was not decoded yet. */
  link: 10,
  /** The hot function met a handler that is not its own. */
  cold: 9,
} as const;

/** What an access that calls out is for. */
export const access = { read: 0, write: 1, probe: 2, execute: 3 } as const;
