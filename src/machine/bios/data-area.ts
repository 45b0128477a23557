/** The BIOS data area: the addresses at which the IBM PC's BIOS, and everything since, keeps what it knows. */

export const dataArea = {
  equipment: 0x410,
  /** KiB below the extended BIOS data area. */
  lowMemory: 0x413,
  /** Bit by bit, as int 16h function 2 returns them; see `shiftBits`. */
  shifts: 0x417,
  /** Offsets from 0x400 of the next key to be taken, and of the next free place. */
  keyHead: 0x41a,
  keyTail: 0x41c,
  videoMode: 0x449,
  columns: 0x44a,
  pageSize: 0x44c,
  pageStart: 0x44e,
  /** A word for each of eight pages: column, row. */
  cursor: 0x450,
  cursorShape: 0x460,
  activePage: 0x462,
  ticks: 0x46c,
  diskStatus: 0x474,
  disks: 0x475,
  keyBufferStart: 0x480,
  keyBufferEnd: 0x482,
  lastRow: 0x484,
  /** Of no other use: characters of the present string written so far, and where the cursor was before it. */
  stringDone: 0x4ac,
  stringCursor: 0x4ae,
  /** Bit 1: the last scan code was 0xe0. */
  keyboardFlags: 0x496,
} as const;

export const shiftBits = {
  rightShift: 0x01,
  leftShift: 0x02,
  control: 0x04,
  alternate: 0x08,
  scrollLock: 0x10,
  numberLock: 0x20,
  capitalsLock: 0x40,
} as const;
