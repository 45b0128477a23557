/**
 * The VGA as far as text mode needs it: text memory at 0xB8000 as plain bytes, and the registers of the IBM VGA technical
 * reference as storage with the values of mode 3 (80 × 25, 16 colours); start address and cursor have their effect.
 */

import { codePage437 } from './code-page-437';
import type { Board, Device, MemoryWindow, Register } from './device';
import { Oscillator } from './oscillator';

const textBase = 0xb8000;
const textSize = 0x8000;
const blank = { character: 0x20, attribute: 0x07 } as const;

const crtc = {
  columns: 0x01,
  overflow: 0x07,
  characterHeight: 0x09,
  cursorStart: 0x0a,
  protect: 0x11,
  rows: 0x12,
} as const;
const crtcStart = 0x0c;
const crtcCursor = 0x0e;

/** Register values of mode 3, by index. */
const mode3 = {
  crtc: [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f,
    0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
  ],
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f,
    0x08, 0x00,
  ],
} as const;
type Indexed = keyof typeof mode3;

const miscellaneous = 0x67;
/** Lines of the 400-line modes, at 31.469 kHz. */
const lineHertz = 31_469;
const lines = { total: 449, shown: 400, retraceFrom: 412, retraceTo: 414 } as const;

interface VgaState {
  memory: Uint8Array;
  index: Record<Indexed, number>;
  registers: Record<Indexed, number[]>;
  /** The attribute controller's port takes a value next, not an index. */
  attributeValue: boolean;
  miscellaneous: number;
  feature: number;
  palette: Uint8Array;
  paletteMask: number;
  /** Byte of the palette that is read and written next: three per colour. */
  paletteRead: number;
  paletteWrite: number;
}

const powerOn = (): VgaState => {
  const memory = new Uint8Array(textSize);
  for (let at = 0; at < textSize; at += 2) {
    memory[at] = blank.character;
    memory[at + 1] = blank.attribute;
  }
  return {
    memory,
    index: { crtc: 0, sequencer: 0, graphics: 0, attribute: 0x20 },
    registers: {
      crtc: [...mode3.crtc],
      sequencer: [...mode3.sequencer],
      graphics: [...mode3.graphics],
      attribute: [...mode3.attribute],
    },
    attributeValue: false,
    miscellaneous,
    feature: 0,
    palette: new Uint8Array(768),
    paletteMask: 0xff,
    paletteRead: 0,
    paletteWrite: 0,
  };
};

export class VgaText implements Device<VgaState> {
  readonly name = 'VGA';
  state = powerOn();
  readonly window: MemoryWindow = {
    base: textBase,
    size: textSize,
    registers: [],
    bytes: () => this.state.memory,
  };
  readonly ports: readonly Register[] = this.#registers();
  readonly inner: readonly Register[] = this.#innerRegisters();
  readonly #board: Board;
  readonly #lineClock: Oscillator;

  constructor(board: Board) {
    this.#board = board;
    this.#lineClock = new Oscillator(lineHertz, board.frequency);
  }

  /** What the display shows, row by row. */
  screen(): string[] {
    const { memory, registers } = this.state;
    const columns = (registers.crtc[crtc.columns] ?? 0) + 1;
    const start = this.#word(crtcStart);
    return Array.from({ length: this.#rows() }, (_, row) =>
      Array.from({ length: columns }, (_, column) => {
        const cell = (start + row * columns + column) * 2;
        return codePage437[memory[cell % textSize] ?? 0] ?? ' ';
      }).join(''),
    );
  }

  /** Where the cursor is on the screen; undefined when it is off or outside. */
  cursor(): { row: number; column: number } | undefined {
    const { crtc: registers } = this.state.registers;
    const columns = (registers[crtc.columns] ?? 0) + 1;
    const cell = this.#word(crtcCursor) - this.#word(crtcStart);
    const off = ((registers[crtc.cursorStart] ?? 0) & 0x20) !== 0;
    if (off || cell < 0 || cell >= columns * this.#rows()) return undefined;
    return { row: Math.floor(cell / columns), column: cell % columns };
  }

  reset(): void {
    this.state = powerOn();
  }

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}

  #registers(): readonly Register[] {
    return [
      ...this.#indexed('crtc', 'CRTC', 0x3d4),
      ...this.#indexed('sequencer', 'sequencer', 0x3c4),
      ...this.#indexed('graphics', 'graphics', 0x3ce),
      {
        name: 'attribute index',
        at: 0x3c0,
        size: 1,
        peek: () => this.state.index.attribute,
        write: (value) => this.#writeAttribute(value),
      },
      { name: 'attribute data', at: 0x3c1, size: 1, peek: () => this.#selected('attribute', 0x1f) },
      {
        name: 'miscellaneous output/input status 0',
        at: 0x3c2,
        size: 1,
        peek: () => 0x10,
        write: (value) => {
          this.state.miscellaneous = value;
        },
      },
      { name: 'miscellaneous output', at: 0x3cc, size: 1, peek: () => this.state.miscellaneous },
      { name: 'feature control', at: 0x3ca, size: 1, peek: () => this.state.feature },
      {
        name: 'input status 1/feature control',
        at: 0x3da,
        size: 1,
        peek: () => this.#inputStatus(),
        read: () => {
          this.state.attributeValue = false;
          return this.#inputStatus();
        },
        write: (value) => {
          this.state.feature = value;
        },
      },
      ...this.#paletteRegisters(),
    ];
  }

  #innerRegisters(): readonly Register[] {
    return (Object.keys(mode3) as Indexed[]).flatMap((group) =>
      mode3[group].map(
        (_, index): Register => ({
          name: `${group} 0x${index.toString(16)}`,
          at: index,
          size: 1,
          peek: () => this.state.registers[group][index] ?? 0,
          write: (value) => this.#writeSelected(group, value, index),
        }),
      ),
    );
  }

  #indexed(group: Indexed, name: string, at: number): readonly Register[] {
    return [
      {
        name: `${name} index`,
        at,
        size: 1,
        peek: () => this.state.index[group],
        write: (value) => {
          this.state.index[group] = value;
        },
      },
      {
        name: `${name} data`,
        at: at + 1,
        size: 1,
        peek: () => this.#selected(group, 0xff),
        write: (value) => this.#writeSelected(group, value),
      },
    ];
  }

  #paletteRegisters(): readonly Register[] {
    return [
      {
        name: 'palette mask',
        at: 0x3c6,
        size: 1,
        peek: () => this.state.paletteMask,
        write: (value) => {
          this.state.paletteMask = value;
        },
      },
      {
        name: 'palette read index/state',
        at: 0x3c7,
        size: 1,
        peek: () => 0,
        write: (value) => {
          this.state.paletteRead = value * 3;
        },
      },
      {
        name: 'palette write index',
        at: 0x3c8,
        size: 1,
        peek: () => Math.floor(this.state.paletteWrite / 3),
        write: (value) => {
          this.state.paletteWrite = value * 3;
        },
      },
      {
        name: 'palette data',
        at: 0x3c9,
        size: 1,
        peek: () => this.state.palette[this.state.paletteRead] ?? 0,
        read: () => {
          const { palette, paletteRead } = this.state;
          this.state.paletteRead = (paletteRead + 1) % palette.length;
          return palette[paletteRead] ?? 0;
        },
        write: (value) => {
          const { palette, paletteWrite } = this.state;
          palette[paletteWrite] = value & 0x3f;
          this.state.paletteWrite = (paletteWrite + 1) % palette.length;
        },
      },
    ];
  }

  #selected(group: Indexed, mask: number): number {
    return this.state.registers[group][this.state.index[group] & mask] ?? 0;
  }

  /** Bit 7 of CRTC register 0x11 protects the registers below it that set the timing. */
  #writeSelected(group: Indexed, value: number, index = this.state.index[group]): void {
    const registers = this.state.registers[group];
    if (index >= registers.length) return;
    const isProtected = group === 'crtc' && index <= crtc.overflow && (registers[crtc.protect] ?? 0) & 0x80;
    if (!isProtected) registers[index] = value;
    else if (index === crtc.overflow) registers[index] = ((registers[index] ?? 0) & ~0x10) | (value & 0x10);
  }

  /** Index and value take turns at one port; reading input status 1 makes the next one an index. */
  #writeAttribute(value: number): void {
    const { state } = this;
    const index = state.index.attribute & 0x1f;
    if (!state.attributeValue) state.index.attribute = value & 0x3f;
    else if (index < state.registers.attribute.length) state.registers.attribute[index] = value;
    state.attributeValue = !state.attributeValue;
  }

  #inputStatus(): number {
    const line = this.#lineClock.ticksAt(this.#board.now()) % lines.total;
    const retraces = line >= lines.retraceFrom && line < lines.retraceTo;
    return (line >= lines.shown ? 1 : 0) | (retraces ? 8 : 0);
  }

  #word(index: number): number {
    const { crtc: registers } = this.state.registers;
    return ((registers[index] ?? 0) << 8) | (registers[index + 1] ?? 0);
  }

  #rows(): number {
    const { crtc: registers } = this.state.registers;
    const overflow = registers[crtc.overflow] ?? 0;
    const scanLines = (registers[crtc.rows] ?? 0) + (overflow & 2 ? 0x100 : 0) + (overflow & 0x40 ? 0x200 : 0) + 1;
    return Math.floor(scanLines / (((registers[crtc.characterHeight] ?? 0) & 0x1f) + 1));
  }
}
