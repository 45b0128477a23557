/** BIOS calls in order, each with what the registers and memory hold after it; the same on a PC's BIOS but where said. */

export interface ServiceCase {
  readonly id: string;
  /** What is special about this call. */
  readonly when?: string;
  /** Sets registers; DS, ES and SS are 0, the other registers what the call before left. */
  readonly setup: string;
  readonly interrupt: number;
  /** By register; flags as `cf` and `zf`. */
  readonly gives?: Readonly<Record<string, number>>;
  /** Bytes afterwards, from an address. */
  readonly memory?: readonly [address: number, bytes: readonly number[]];
  /** What SeaBIOS does otherwise, or another machine has otherwise: not compared there. */
  readonly differs?: readonly string[];
}

const cell = (row: number, column: number): number => 0xb8000 + (row * 80 + column) * 2;
const cells = (text: string, attribute: number): number[] => [...text].flatMap((c) => [c.charCodeAt(0), attribute]);
const bytes = (value: number, size: number): number[] =>
  Array.from({ length: size }, (_, n) => Math.floor(value / 2 ** (8 * n)) & 0xff);

/** Free memory that the calls use. */
const BUFFER = 0x6000;
const PACKET = 0x6800;
/** Where the text for `video.write-string` lies. */
export const TEXT = 0x7000;
export const MEMORY_MIB = 64;

const video: readonly ServiceCase[] = [
  { id: 'video.set-mode', setup: 'mov ax, 3', interrupt: 0x10, memory: [cell(0, 0), cells('    ', 7)] },
  { id: 'video.set-cursor', setup: 'mov ah, 2\nmov bh, 0\nmov dx, 0x050a', interrupt: 0x10, memory: [0x450, [10, 5]] },
  { id: 'video.get-cursor', setup: 'mov ah, 3\nmov bh, 0', interrupt: 0x10, gives: { dx: 0x050a, cx: 0x0607 } },
  {
    id: 'video.write-with-attribute',
    setup: 'mov ax, 0x0941\nmov bx, 0x1f\nmov cx, 3',
    interrupt: 0x10,
    memory: [cell(5, 10), cells('AAA', 0x1f)],
  },
  { id: 'video.read', setup: 'mov ah, 8\nmov bh, 0', interrupt: 0x10, gives: { ax: 0x1f41 } },
  {
    id: 'video.write',
    setup: 'mov ax, 0x0a42\nmov bh, 0\nmov cx, 2',
    interrupt: 0x10,
    memory: [cell(5, 10), cells('BBA', 0x1f)],
  },
  {
    id: 'video.teletype',
    when: 'of a character',
    setup: 'mov ax, 0x0e43\nmov bx, 7',
    interrupt: 0x10,
    memory: [cell(5, 10), cells('CBA', 0x1f)],
  },
  { id: 'video.get-cursor', when: 'after it', setup: 'mov ah, 3', interrupt: 0x10, gives: { dx: 0x050b } },
  { id: 'video.teletype', when: 'of a backspace', setup: 'mov ax, 0x0e08', interrupt: 0x10, memory: [0x450, [10, 5]] },
  { id: 'video.teletype', when: 'of a line feed', setup: 'mov ax, 0x0e0a', interrupt: 0x10, memory: [0x450, [10, 6]] },
  { id: 'video.teletype', when: 'of a return', setup: 'mov ax, 0x0e0d', interrupt: 0x10, memory: [0x450, [0, 6]] },
  { id: 'video.teletype', when: 'of a bell', setup: 'mov ax, 0x0e07', interrupt: 0x10, memory: [0x450, [0, 6]] },
  {
    id: 'video.scroll-up',
    setup: 'mov ax, 0x0601\nmov bh, 0x2e\nmov cx, 0x0409\nmov dx, 0x050b',
    interrupt: 0x10,
    memory: [cell(4, 9), [...cells(' ', 7), ...cells('CB', 0x1f), ...cells(' ', 7)]],
    differs: ['memory'],
  },
  {
    id: 'video.scroll-down',
    setup: 'mov ax, 0x0701\nmov bh, 0x3c\nmov cx, 0x0409\nmov dx, 0x050b',
    interrupt: 0x10,
    memory: [cell(4, 9), cells('   ', 0x3c)],
  },
  {
    id: 'video.scroll-up',
    when: 'of all lines',
    setup: 'mov ax, 0x0600\nmov bh, 7\nxor cx, cx\nmov dx, 0x184f',
    interrupt: 0x10,
    memory: [cell(5, 9), cells('    ', 7)],
  },
  { id: 'video.get-mode', setup: 'mov ah, 0x0f', interrupt: 0x10, gives: { ax: 0x5003, bh: 0 } },
  {
    id: 'video.write-string',
    setup: `mov ax, 0x1301\nmov bx, 0x2e\nmov cx, 2\nmov dx, 0x0203\nmov bp, ${TEXT}`,
    interrupt: 0x10,
    memory: [cell(2, 3), [...cells('Hi', 0x2e), ...cells(' ', 7)]],
  },
  { id: 'video.get-cursor', when: 'after it', setup: 'mov ah, 3', interrupt: 0x10, gives: { dx: 0x0205 } },
  {
    id: 'video.write-string',
    when: 'that leaves the cursor',
    setup: `mov ax, 0x1300\nmov bx, 0x2e\nmov cx, 2\nmov dx, 0x184e\nmov bp, ${TEXT}`,
    interrupt: 0x10,
    memory: [0x450, [5, 2]],
  },
  {
    id: 'video.write-string',
    when: 'that fills the last row',
    setup: '',
    interrupt: 0x11,
    memory: [cell(23, 78), cells('Hi', 0x2e)],
    gives: {},
  },
  { id: 'video.cursor-shape', setup: 'mov ah, 1\nmov cx, 0x0a0b', interrupt: 0x10, memory: [0x460, [0x0b, 0x0a]] },
];

const machine: readonly ServiceCase[] = [
  { id: 'equipment', setup: '', interrupt: 0x11, gives: { ax: 0x0220 }, differs: ['ax'] },
  { id: 'memory.low', setup: '', interrupt: 0x12, gives: { ax: 639 } },
  {
    id: 'time.ticks',
    setup: 'mov dword [0x46c], 0x12345678\nmov ah, 0',
    interrupt: 0x1a,
    gives: { cx: 0x1234, dx: 0x5678, al: 0 },
  },
];

const SECTORS = 64;
const missing = { cf: 1, ah: 1 };
const disk: readonly ServiceCase[] = [
  { id: 'disk.reset', setup: 'mov ah, 0\nmov dl, 0x80', interrupt: 0x13, gives: { cf: 0, ah: 0 } },
  { id: 'disk.reset', when: 'of another drive', setup: 'mov ah, 0\nmov dl, 0x81', interrupt: 0x13, gives: missing },
  {
    id: 'disk.read',
    setup: `mov ax, 0x0202\nmov cx, 0x003f\nmov dx, 0x0080\nmov bx, ${BUFFER}`,
    interrupt: 0x13,
    gives: { cf: 0, ax: 0x0002 },
    memory: [BUFFER + 510, [62, 62, 63, 63]],
  },
  {
    id: 'disk.read',
    when: 'of the next head',
    setup: `mov ax, 0x0201\nmov cx, 0x0001\nmov dx, 0x0180\nmov bx, ${BUFFER}`,
    interrupt: 0x13,
    gives: { cf: 0, ax: 0x0001 },
    memory: [BUFFER, [63, 63]],
    // A small disk has other heads there.
    differs: ['cf', 'ax', 'memory'],
  },
  {
    id: 'disk.read',
    when: 'beyond the image',
    setup: `mov ax, 0x0202\nmov cx, 0x0001\nmov dx, 0x0180\nmov bx, ${BUFFER}`,
    interrupt: 0x13,
    gives: { cf: 1, ax: 0x0400 },
    memory: [BUFFER, [63, 63]],
    differs: ['ax', 'memory'],
  },
  { id: 'disk.status', setup: 'mov ah, 1\nmov dl, 0x80', interrupt: 0x13, gives: { cf: 1, ah: 4 }, differs: ['ah'] },
  {
    id: 'disk.read',
    when: 'of sector 0',
    setup: 'mov ax, 0x0201\nmov cx, 0\nmov dx, 0x80',
    interrupt: 0x13,
    gives: { cf: 1, ah: 4 },
    differs: ['ah'],
  },
  {
    id: 'disk.geometry',
    setup: 'mov ah, 8\nmov dl, 0x80',
    interrupt: 0x13,
    gives: { cf: 0, ah: 0, cx: 0x003f, dx: 0x0f01 },
    differs: ['cx', 'dx'],
  },
  {
    id: 'disk.type',
    setup: 'mov ah, 0x15\nmov dl, 0x80',
    interrupt: 0x13,
    gives: { cf: 0, ah: 3, cx: 0, dx: SECTORS },
    differs: ['dx'],
  },
  {
    id: 'disk.type',
    when: 'of another drive',
    setup: 'mov ah, 0x15\nmov dl, 0x85',
    interrupt: 0x13,
    gives: { cf: 0, ah: 0 },
    differs: ['cf', 'ah'],
  },
  {
    id: 'disk.extensions',
    setup: 'mov ah, 0x41\nmov bx, 0x55aa\nmov dl, 0x80',
    interrupt: 0x13,
    gives: { cf: 0, bx: 0xaa55, ah: 0x21, cx: 1 },
    differs: ['ah', 'cx'],
  },
  {
    id: 'disk.read-lba',
    setup: `mov word [${PACKET}], 16\nmov word [${PACKET + 2}], 2\nmov word [${PACKET + 4}], ${BUFFER & 0xf}
            mov word [${PACKET + 6}], ${BUFFER >> 4}\nmov dword [${PACKET + 8}], 60\nmov dword [${PACKET + 12}], 0
            mov ah, 0x42\nmov dl, 0x80\nmov si, ${PACKET}`,
    interrupt: 0x13,
    gives: { cf: 0, ah: 0 },
    memory: [BUFFER + 510, [60, 60, 61, 61]],
  },
  {
    id: 'disk.read-lba',
    when: 'beyond the image',
    setup: `mov dword [${PACKET + 8}], 63\nmov ah, 0x42\nmov dl, 0x80\nmov si, ${PACKET}`,
    interrupt: 0x13,
    gives: { cf: 1, ah: 4 },
    memory: [PACKET, [16, 0, 0, 0]],
    differs: ['ah', 'memory'],
  },
  {
    id: 'disk.parameters-lba',
    setup: `mov word [${BUFFER}], 26\nmov ah, 0x48\nmov dl, 0x80\nmov si, ${BUFFER}`,
    interrupt: 0x13,
    gives: { cf: 0, ah: 0 },
    memory: [BUFFER, [26, 0, 2, 0, 1, 0, 0, 0, 16, 0, 0, 0, 63, 0, 0, 0, SECTORS, 0, 0, 0, 0, 0, 0, 0, 0, 2]],
    differs: ['memory'],
  },
  {
    id: 'disk.write',
    setup: 'mov ax, 0x0301\nmov cx, 1\nmov dx, 0x80',
    interrupt: 0x13,
    gives: { cf: 1, ah: 3 },
    differs: ['cf', 'ah'],
  },
  {
    id: 'disk.write-lba',
    setup: `mov ah, 0x43\nmov dl, 0x80\nmov si, ${PACKET}`,
    interrupt: 0x13,
    gives: { cf: 1, ah: 3 },
    differs: ['cf', 'ah'],
  },
  { id: 'disk.unknown', setup: 'mov ah, 0x99\nmov dl, 0x80', interrupt: 0x13, gives: { cf: 1, ah: 1 } },
];

const map: readonly (readonly [base: number, size: number, type: number])[] = [
  [0x0, 0x9fc00, 1],
  [0x9fc00, 0x400, 2],
  [0xe0000, 0x20000, 2],
  [0x100000, (MEMORY_MIB - 1) * 0x100000, 1],
  [0xfec00000, 0x1000, 2],
  [0xfee00000, 0x1000, 2],
  [0xfffc0000, 0x40000, 2],
];
const signature = 0x534d4150;

const memory: readonly ServiceCase[] = [
  { id: 'a20.disable', setup: 'mov ax, 0x2400', interrupt: 0x15, gives: { cf: 0, ah: 0 } },
  { id: 'a20.status', when: 'off', setup: 'mov ax, 0x2402', interrupt: 0x15, gives: { cf: 0, ax: 0 } },
  { id: 'a20.enable', setup: 'mov ax, 0x2401', interrupt: 0x15, gives: { cf: 0, ah: 0 } },
  { id: 'a20.status', when: 'on', setup: 'mov ax, 0x2402', interrupt: 0x15, gives: { cf: 0, ax: 1 } },
  { id: 'a20.support', setup: 'mov ax, 0x2403', interrupt: 0x15, gives: { cf: 0, ah: 0, bx: 3 } },
  {
    id: 'memory.extended',
    setup: 'mov ah, 0x88',
    interrupt: 0x15,
    gives: { cf: 0, ax: (MEMORY_MIB - 1) * 1024 },
    differs: ['ax'],
  },
  {
    id: 'memory.e801',
    setup: 'mov ax, 0xe801',
    interrupt: 0x15,
    gives: { cf: 0, ax: 0x3c00, cx: 0x3c00, bx: (MEMORY_MIB - 16) * 16, dx: (MEMORY_MIB - 16) * 16 },
    differs: ['bx', 'dx'],
  },
  ...map.map(
    ([base, size, type], index): ServiceCase => ({
      id: 'memory.map',
      when: `entry ${index}`,
      setup: `mov eax, 0xe820\nmov edx, ${signature}\nmov ecx, 24\nmov di, ${BUFFER}\nmov ebx, ${index}`,
      interrupt: 0x15,
      gives: { cf: 0, eax: signature, ecx: 20, ebx: (index + 1) % map.length },
      memory: [BUFFER, [...bytes(base, 8), ...bytes(size, 8), ...bytes(type, 4)]],
      ...(index < 2 ? {} : { differs: ['memory', 'cf', 'ebx', 'eax', 'ecx'] }),
    }),
  ),
  {
    id: 'memory.map',
    when: 'with another signature',
    setup: 'mov eax, 0xe820\nmov edx, 1\nmov ecx, 20\nmov ebx, 0',
    interrupt: 0x15,
    gives: { cf: 1, ah: 0x86 },
  },
  { id: 'memory.unknown', setup: 'mov ax, 0x9900', interrupt: 0x15, gives: { cf: 1, ah: 0x86 } },
];

const keyboard: readonly ServiceCase[] = [
  { id: 'keyboard.look', setup: 'mov ah, 1', interrupt: 0x16, gives: { zf: 1 } },
  { id: 'keyboard.look-extended', setup: 'mov ah, 0x11', interrupt: 0x16, gives: { zf: 1 } },
  { id: 'keyboard.shifts', setup: 'mov byte [0x417], 0x60\nmov ah, 2', interrupt: 0x16, gives: { al: 0x60 } },
];

/** A vector without a service returns with nothing changed. */
const none: readonly ServiceCase[] = [
  { id: 'none', setup: 'mov eax, 0x12345678\nstc', interrupt: 0x60, gives: { eax: 0x12345678, cf: 1 }, differs: ['*'] },
];

export const serviceCases: readonly ServiceCase[] = [...video, ...machine, ...disk, ...memory, ...keyboard, ...none];
export const DISK_SECTORS = SECTORS;
