/** Int 10h in text mode: 80x25 characters at 0xB8000, the cursor in the BIOS data area and in the CRT controller. */

import type { BiosCall } from './call';
import { dataArea } from './data-area';
import { type Service, service, ticks } from './host';

const TEXT = 0xb8000;
const CRTC = 0x3d4;
const crtc = { cursorStart: 0x0a, cursorEnd: 0x0b, start: 0x0c, cursor: 0x0e } as const;
const mode = { first: 2, last: 3, keepScreen: 0x80 } as const;
const CURSOR_SHAPE = 0x0607;
const GREY_ON_BLACK = 0x07;
const SPACE = 0x20;
const control = { bell: 7, backspace: 8, lineFeed: 10, carriageReturn: 13 } as const;
const PAGES = 8;
const MOST_COLUMNS = 132;
const MOST_ROWS = 60;
/** Bits of AL in `video.write-string`. */
const string = { moveCursor: 1, withAttributes: 2 } as const;
const PRESENT_CURSOR = 0xff;

interface Position {
  row: number;
  column: number;
}

/** The corners of a window, both inside. */
interface Window {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** A page of text as the data area describes it. */
class Page {
  readonly columns: number;
  readonly lastRow: number;
  private readonly base: number;

  constructor(
    private readonly call: BiosCall,
    private readonly number: number,
  ) {
    // The program may have written anything there.
    this.columns = Math.min(call.read(dataArea.columns, 2), MOST_COLUMNS);
    this.lastRow = Math.min(call.read(dataArea.lastRow, 1), MOST_ROWS - 1);
    this.base = TEXT + (number % PAGES) * call.read(dataArea.pageSize, 2);
  }

  static active(call: BiosCall): Page {
    return new Page(call, call.read(dataArea.activePage, 1));
  }

  get cursor(): Position {
    const word = this.call.read(this.cursorAt, 2);
    return { row: word >>> 8, column: word & 0xff };
  }
  set cursor({ row, column }: Position) {
    this.call.write(this.cursorAt, 2, (row << 8) | column);
    if (this.number !== this.call.read(dataArea.activePage, 1)) return;
    const cell = this.call.read(dataArea.pageStart, 2) / 2 + row * this.columns + column;
    setWord(this.call, crtc.cursor, cell);
  }
  private get cursorAt(): number {
    return dataArea.cursor + (this.number % PAGES) * 2;
  }

  private cellAt({ row, column }: Position): number {
    return this.base + (row * this.columns + column) * 2;
  }
  /** Character in the low byte, attribute in the high one. */
  cell(at: Position): number {
    return this.call.read(this.cellAt(at), 2);
  }
  setCell(at: Position, value: number): void {
    this.call.write(this.cellAt(at), 2, value);
  }
  setCharacter(at: Position, value: number): void {
    this.call.write(this.cellAt(at), 1, value);
  }

  get window(): Window {
    return { top: 0, left: 0, bottom: this.lastRow, right: this.columns - 1 };
  }

  /** Moves the lines of a window up by `lines`, down when it is negative; blank ones come in. */
  scroll({ top, left, bottom, right }: Window, lines: number, attribute: number): void {
    const blank = (attribute << 8) | SPACE;
    const rows = Array.from({ length: bottom - top + 1 }, (_, n) => (lines > 0 ? top + n : bottom - n));
    for (const row of rows) {
      const from = row + lines;
      const inside = from >= top && from <= bottom;
      for (let column = left; column <= right; column++)
        this.setCell({ row, column }, inside ? this.cell({ row: from, column }) : blank);
    }
  }

  /** Writes as a teletype does; without an attribute, that of the place stays. */
  type(character: number, attribute?: number): void {
    const { cursor } = this;
    if (character === control.backspace) cursor.column = Math.max(0, cursor.column - 1);
    else if (character === control.lineFeed) cursor.row++;
    else if (character === control.carriageReturn) cursor.column = 0;
    else if (character !== control.bell) {
      if (attribute === undefined) this.setCharacter(cursor, character);
      else this.setCell(cursor, (attribute << 8) | character);
      cursor.column++;
    }
    if (cursor.column >= this.columns) {
      cursor.column = 0;
      cursor.row++;
    }
    if (cursor.row > this.lastRow) {
      const colours = this.cell({ row: this.lastRow, column: cursor.column }) >>> 8;
      this.scroll(this.window, 1, attribute ?? colours);
      cursor.row = this.lastRow;
    }
    this.cursor = cursor;
  }
}

/** Two registers of the CRT controller, the high byte first. */
const setWord = (call: BiosCall, register: number, value: number): void => {
  setRegister(call, register, value >>> 8);
  setRegister(call, register + 1, value & 0xff);
};
const setRegister = (call: BiosCall, register: number, value: number): void => {
  call.out(CRTC, register);
  call.out(CRTC + 1, value);
};

const setShape = (call: BiosCall, shape: number): void => {
  call.write(dataArea.cursorShape, 2, shape);
  setRegister(call, crtc.cursorStart, (shape >>> 8) & 0x3f);
  setRegister(call, crtc.cursorEnd, shape & 0x1f);
};

const setMode = (call: BiosCall): void => {
  const wanted = call.get('al') & ~mode.keepScreen;
  if (wanted < mode.first || wanted > mode.last) return;
  call.write(dataArea.videoMode, 1, wanted);
  call.write(dataArea.activePage, 1, 0);
  call.write(dataArea.pageStart, 2, 0);
  setWord(call, crtc.start, 0);
  setShape(call, CURSOR_SHAPE);
  const page = Page.active(call);
  if (!(call.get('al') & mode.keepScreen)) page.scroll(page.window, page.lastRow + 1, GREY_ON_BLACK);
  for (let number = 0; number < PAGES; number++) new Page(call, number).cursor = { row: 0, column: 0 };
};

const scroll = (direction: 1 | -1) => (call: BiosCall) => {
  const page = Page.active(call);
  const window = {
    top: call.get('ch'),
    left: call.get('cl'),
    bottom: Math.min(call.get('dh'), page.lastRow),
    right: Math.min(call.get('dl'), page.columns - 1),
  };
  const height = window.bottom - window.top + 1;
  if (height <= 0) return;
  const lines = call.get('al');
  page.scroll(window, direction * (lines === 0 || lines > height ? height : lines), call.get('bh'));
};

/** CX times the same, on to the following lines, up to the end of the page. */
const repeat = (call: BiosCall, write: (page: Page, at: Position) => void): void => {
  const page = new Page(call, call.get('bh'));
  const at = page.cursor;
  for (let left = call.get('cx'); left > 0 && at.row <= page.lastRow; left--) {
    write(page, at);
    at.column++;
    if (at.column < page.columns) continue;
    at.column = 0;
    at.row++;
  }
};

/** Writes up to the end of a line in each action: a long string may scroll the screen many times. */
const writeString = (call: BiosCall): number | undefined => {
  const page = new Page(call, call.get('bh'));
  const how = call.get('al');
  let done = call.read(dataArea.stringDone, 2);
  if (done === 0) {
    const { row, column } = page.cursor;
    call.write(dataArea.stringCursor, 2, (row << 8) | column);
    if (call.get('dh') !== PRESENT_CURSOR) page.cursor = { row: call.get('dh'), column: call.get('dl') };
  }
  const width = how & string.withAttributes ? 2 : 1;
  const from = call.pointer('es', call.get('bp'));
  const end = call.get('cx');
  for (let line = false; done < end && !line; done++) {
    const at = from + done * width;
    page.type(call.read(at, 1), width === 2 ? call.read(at + 1, 1) : call.get('bl'));
    line = call.read(at, 1) === control.lineFeed || page.cursor.column === 0;
  }
  call.write(dataArea.stringDone, 2, done < end ? done : 0);
  if (done < end) return 0;
  const before = call.read(dataArea.stringCursor, 2);
  if (!(how & string.moveCursor)) page.cursor = { row: before >>> 8, column: before & 0xff };
  return undefined;
};

export const videoServices: Record<string, Service> = {
  'video.set-mode': service(ticks.screen, setMode),
  'video.cursor-shape': service(ticks.device, (call) => setShape(call, call.get('cx'))),
  'video.set-cursor': service(ticks.device, (call) => {
    new Page(call, call.get('bh')).cursor = { row: call.get('dh'), column: call.get('dl') };
  }),
  'video.get-cursor': service(ticks.short, (call) => {
    const { row, column } = new Page(call, call.get('bh')).cursor;
    call.set('dh', row);
    call.set('dl', column);
    call.set('cx', call.read(dataArea.cursorShape, 2));
  }),
  'video.scroll-up': service(ticks.screen, scroll(1)),
  'video.scroll-down': service(ticks.screen, scroll(-1)),
  'video.read': service(ticks.short, (call) => {
    const page = new Page(call, call.get('bh'));
    call.set('ax', page.cell(page.cursor));
  }),
  'video.write-with-attribute': service(ticks.device, (call) => {
    const cell = (call.get('bl') << 8) | call.get('al');
    repeat(call, (page, at) => page.setCell(at, cell));
  }),
  'video.write': service(ticks.device, (call) => repeat(call, (page, at) => page.setCharacter(at, call.get('al')))),
  'video.teletype': service(ticks.device, (call) => Page.active(call).type(call.get('al'))),
  'video.get-mode': service(ticks.short, (call) => {
    call.set('al', call.read(dataArea.videoMode, 1));
    call.set('ah', call.read(dataArea.columns, 2));
    call.set('bh', call.read(dataArea.activePage, 1));
  }),
  'video.write-string': [{ ticks: ticks.screen, run: writeString }],
};
