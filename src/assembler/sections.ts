/**
 * Sections of a flat image and where they go: .text first, then the other sections with contents in the order of their
 * appearance, then those without. NASM manual, "bin: Flat-Form Binary Output".
 */

/** What a `section` line may ask for; sizes in bytes. */
export interface SectionAttributes {
  readonly align?: number;
  readonly start?: bigint;
  readonly vstart?: bigint;
  readonly follows?: string;
  readonly vfollows?: string;
  readonly valign?: number;
  readonly contents?: boolean;
}

export class Section {
  readonly name: string;
  /** False for sections like .bss, that take memory and no room in the image. */
  readonly contents: boolean;
  align: number;
  attributes: SectionAttributes = {};
  /** Where `$$` is while the program runs, by the last layout. */
  address = 0n;
  /** Where the section stands in memory as the image is loaded. */
  loadAddress = 0n;
  length = 0;
  private buffer = new Uint8Array(256);

  constructor(name: string, contents: boolean, align: number) {
    this.name = name;
    this.contents = contents;
    this.align = align;
  }

  reset(): void {
    this.length = 0;
  }

  append(bytes: Uint8Array): void {
    if (this.contents) this.reserve(bytes.length).set(bytes);
    else this.length += bytes.length;
  }

  /** `count` copies of `bytes`. */
  fill(bytes: Uint8Array, count: number): void {
    const total = bytes.length * count;
    if (!this.contents) {
      this.length += total;
      return;
    }
    const room = this.reserve(total);
    if (bytes.length === 1) room.fill(bytes[0] ?? 0);
    else for (let index = 0; index < count; index++) room.set(bytes, index * bytes.length);
  }

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.contents ? this.length : 0);
  }

  private reserve(count: number): Uint8Array {
    const end = this.length + count;
    if (end > this.buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.buffer.length * 2));
      larger.set(this.buffer.subarray(0, this.length));
      this.buffer = larger;
    }
    const room = this.buffer.subarray(this.length, end);
    this.length = end;
    return room;
  }
}

/** Sections that hold no contents unless their line says otherwise, and those of which the alignment is known. */
export const newSection = (name: string, attributes: SectionAttributes): Section => {
  const contents = attributes.contents ?? name !== '.bss';
  return new Section(name, contents, attributes.align ?? (name === '.text' ? 1 : 4));
};

const alignUp = (address: bigint, align: number): bigint => {
  const unit = BigInt(align);
  return ((address + unit - 1n) / unit) * unit;
};

export interface Layout {
  /** True when a section moved since the last layout. */
  readonly moved: boolean;
  /** Messages of sections that cannot be placed as asked. */
  readonly problems: readonly string[];
}

/** Gives every section its address, from the lengths of the last pass. */
export function layOut(sections: readonly Section[], origin: bigint): Layout {
  const order = [
    ...sections.filter((section) => section.contents && section.name === '.text'),
    ...sections.filter((section) => section.contents && section.name !== '.text'),
    ...sections.filter((section) => !section.contents),
  ];
  const problems: string[] = [];
  const placed = new Map<string, Section>();
  let moved = false;
  let end = origin;
  let last: Section | undefined;
  for (const section of order) {
    const { start, vstart, follows, vfollows, valign } = section.attributes;
    const before = follows === undefined ? undefined : placed.get(follows);
    if (follows !== undefined && before === undefined) problems.push(missing(section, follows));
    const after = before === undefined ? end : before.loadAddress + BigInt(before.length);
    const loadAddress =
      start ?? (section === order[0] && before === undefined ? origin : alignUp(after, section.align));
    const virtualBefore = vfollows === undefined ? undefined : placed.get(vfollows);
    if (vfollows !== undefined && virtualBefore === undefined) problems.push(missing(section, vfollows));
    const virtualStart =
      virtualBefore !== undefined
        ? virtualEnd(virtualBefore)
        : section.contents || last === undefined
          ? undefined
          : virtualEnd(last);
    const address =
      vstart ?? alignUp(virtualStart ?? loadAddress, valign ?? (virtualStart === undefined ? 1 : section.align));
    if (address !== section.address || loadAddress !== section.loadAddress) moved = true;
    section.address = address;
    section.loadAddress = loadAddress;
    placed.set(section.name, section);
    last = section;
    const sectionEnd = loadAddress + BigInt(section.length);
    if (sectionEnd > end) end = sectionEnd;
  }
  return { moved, problems: [...problems, ...overlaps(order)] };
}

/** Sections without contents stand behind the one before where that is at run time, not where it is loaded. */
const virtualEnd = (section: Section): bigint => section.address + BigInt(section.length);

function overlaps(sections: readonly Section[]): readonly string[] {
  const filled = sections
    .filter((section) => section.contents && section.length > 0)
    .sort((left, right) => (left.loadAddress < right.loadAddress ? -1 : 1));
  return filled.flatMap((section, index) => {
    const next = filled[index + 1];
    const isClear = next === undefined || section.loadAddress + BigInt(section.length) <= next.loadAddress;
    return isClear ? [] : [`sections ${section.name} and ${next.name} overlap: give one of them another start`];
  });
}

const missing = (section: Section, other: string): string =>
  `section ${section.name} follows ${other}, which does not come before it`;

export interface Image {
  readonly bytes: Uint8Array;
  /** Memory that follows the image and is not in it, in bytes. */
  readonly zeros: number;
}

/** The flat image from `origin` on. */
export function makeImage(sections: readonly Section[], origin: bigint): Image {
  let length = 0n;
  let memory = 0n;
  for (const section of sections) {
    const end = section.loadAddress + BigInt(section.length) - origin;
    if (section.contents && section.length > 0 && end > length) length = end;
    if (end > memory) memory = end;
  }
  const bytes = new Uint8Array(Number(length));
  for (const section of sections) {
    if (section.contents && section.length > 0) bytes.set(section.bytes(), Number(section.loadAddress - origin));
  }
  return { bytes, zeros: Number(memory - (memory < length ? memory : length)) };
}
