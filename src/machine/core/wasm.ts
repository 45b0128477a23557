/**
 * A WebAssembly writer: expressions are trees, built by functions named as the instructions of the WebAssembly
 * specification, and encoded once when the module is finished. Memory accesses that name the state of a vCPU are
 * remembered, so that one module serves every vCPU (see `Module.encode`).
 */

export type Type = 'i32' | 'i64';

export interface Expr {
  readonly type: Type | 'void';
  readonly opcode: number;
  readonly args: readonly Expr[];
  /** Immediate operand: constant, local, label, or function. */
  readonly immediate?: number | bigint;
  /** Memory operand. */
  readonly offset?: number;
  readonly alignment?: number;
  /** The offset lies in the state of a vCPU. */
  readonly relocated?: boolean;
  readonly body?: readonly Expr[];
  readonly otherwise?: readonly Expr[];
  readonly labels?: readonly Label[];
  readonly label?: Label;
}

/** The target of a branch: a block's end or a loop's start. */
export class Label {}

const types = { i32: 0x7f, i64: 0x7e } as const;

const constant =
  (type: Type, opcode: number) =>
  (value: number | bigint): Expr => ({ type, opcode, args: [], immediate: value });
const binary =
  (type: Type, opcode: number) =>
  (a: Expr, b: Expr): Expr => ({ type, opcode, args: [a, b] });
const unary =
  (type: Type, opcode: number) =>
  (a: Expr): Expr => ({ type, opcode, args: [a] });
const load =
  (type: Type, opcode: number, alignment: number) =>
  (address: Expr, offset = 0): Expr => ({ type, opcode, args: [address], offset, alignment });
const store =
  (opcode: number, alignment: number) =>
  (address: Expr, value: Expr, offset = 0): Expr => ({
    type: 'void',
    opcode,
    args: [address, value],
    offset,
    alignment,
  });

/** Instructions on 32-bit integers. */
export const i32 = {
  const: constant('i32', 0x41),
  load: load('i32', 0x28, 2),
  load8u: load('i32', 0x2d, 0),
  load16u: load('i32', 0x2f, 1),
  store: store(0x36, 2),
  store8: store(0x3a, 0),
  store16: store(0x3b, 1),
  eqz: unary('i32', 0x45),
  eq: binary('i32', 0x46),
  ne: binary('i32', 0x47),
  ltS: binary('i32', 0x48),
  ltU: binary('i32', 0x49),
  gtS: binary('i32', 0x4a),
  gtU: binary('i32', 0x4b),
  leS: binary('i32', 0x4c),
  leU: binary('i32', 0x4d),
  geS: binary('i32', 0x4e),
  geU: binary('i32', 0x4f),
  popcnt: unary('i32', 0x69),
  add: binary('i32', 0x6a),
  sub: binary('i32', 0x6b),
  mul: binary('i32', 0x6c),
  and: binary('i32', 0x71),
  or: binary('i32', 0x72),
  xor: binary('i32', 0x73),
  shl: binary('i32', 0x74),
  shrS: binary('i32', 0x75),
  shrU: binary('i32', 0x76),
  wrap: unary('i32', 0xa7),
} as const;

/** Instructions on 64-bit integers. */
export const i64 = {
  const: constant('i64', 0x42),
  load: load('i64', 0x29, 3),
  load8s: load('i64', 0x30, 0),
  load8u: load('i64', 0x31, 0),
  load16s: load('i64', 0x32, 1),
  load16u: load('i64', 0x33, 1),
  load32s: load('i64', 0x34, 2),
  load32u: load('i64', 0x35, 2),
  store: store(0x37, 3),
  store8: store(0x3c, 0),
  store16: store(0x3d, 1),
  store32: store(0x3e, 2),
  eqz: unary('i32', 0x50),
  eq: binary('i32', 0x51),
  ne: binary('i32', 0x52),
  ltS: binary('i32', 0x53),
  ltU: binary('i32', 0x54),
  gtS: binary('i32', 0x55),
  gtU: binary('i32', 0x56),
  leS: binary('i32', 0x57),
  leU: binary('i32', 0x58),
  geS: binary('i32', 0x59),
  geU: binary('i32', 0x5a),
  clz: unary('i64', 0x79),
  ctz: unary('i64', 0x7a),
  popcnt: unary('i64', 0x7b),
  add: binary('i64', 0x7c),
  sub: binary('i64', 0x7d),
  mul: binary('i64', 0x7e),
  divS: binary('i64', 0x7f),
  divU: binary('i64', 0x80),
  remS: binary('i64', 0x81),
  remU: binary('i64', 0x82),
  and: binary('i64', 0x83),
  or: binary('i64', 0x84),
  xor: binary('i64', 0x85),
  shl: binary('i64', 0x86),
  shrS: binary('i64', 0x87),
  shrU: binary('i64', 0x88),
  rotl: binary('i64', 0x89),
  rotr: binary('i64', 0x8a),
  extendS: unary('i64', 0xac),
  extendU: unary('i64', 0xad),
  extend8S: unary('i64', 0xc2),
  extend16S: unary('i64', 0xc3),
  extend32S: unary('i64', 0xc4),
} as const;

/** Marks a memory access as one to the vCPU's state. */
export const inState = (expr: Expr): Expr => ({ ...expr, relocated: true });

export const select = (condition: Expr, yes: Expr, no: Expr): Expr => ({
  type: yes.type,
  opcode: 0x1b,
  args: [yes, no, condition],
});
export const getLocal = (index: number, type: Type): Expr => ({ type, opcode: 0x20, args: [], immediate: index });
export const setLocal = (index: number, value: Expr): Expr => ({
  type: 'void',
  opcode: 0x21,
  args: [value],
  immediate: index,
});
export const block = (label: Label, body: readonly Expr[]): Expr => ({
  type: 'void',
  opcode: 0x02,
  args: [],
  label,
  body,
});
export const loop = (label: Label, body: readonly Expr[]): Expr => ({
  type: 'void',
  opcode: 0x03,
  args: [],
  label,
  body,
});
export const when = (condition: Expr, body: readonly Expr[], otherwise?: readonly Expr[]): Expr => ({
  type: 'void',
  opcode: 0x04,
  args: [condition],
  label: new Label(),
  body,
  ...(otherwise ? { otherwise } : {}),
});
export const br = (label: Label): Expr => ({ type: 'void', opcode: 0x0c, args: [], label });
export const brIf = (label: Label, condition: Expr): Expr => ({ type: 'void', opcode: 0x0d, args: [condition], label });
export const brTable = (labels: readonly Label[], otherwise: Label, index: Expr): Expr => ({
  type: 'void',
  opcode: 0x0e,
  args: [index],
  labels,
  label: otherwise,
});
export const ret = (value?: Expr): Expr => ({ type: 'void', opcode: 0x0f, args: value ? [value] : [] });

/** A function that can be called; its index is settled when the module is encoded. */
export class Func {
  index = -1;
  body: readonly Expr[] = [];
  locals: Type[] = [];
  exported = false;

  constructor(
    readonly name: string,
    readonly params: readonly Type[],
    readonly result: Type | 'void',
    readonly imported = false,
  ) {}

  parameter(index: number): Expr {
    return getLocal(index, this.params[index] as Type);
  }
  /** A fresh local variable. */
  local(type: Type): number {
    this.locals.push(type);
    return this.params.length + this.locals.length - 1;
  }
  call(...args: Expr[]): Expr {
    return { type: this.result, opcode: 0x10, args, callee: this } as Expr & { callee: Func };
  }
}

/** Calls through the table: all entries have the type (i32) -> i32. */
export const callIndirect = (index: Expr, argument: Expr): Expr => ({
  type: 'i32',
  opcode: 0x11,
  args: [argument, index],
});

class Bytes {
  data = new Uint8Array(1024);
  length = 0;

  byte(value: number): void {
    if (this.length === this.data.length) {
      const larger = new Uint8Array(this.data.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = value;
  }
  unsigned(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }
  /** An unsigned number in five bytes, so that it can be changed in place. */
  padded(value: number): void {
    for (let i = 0, rest = value; i < 5; i++, rest = Math.floor(rest / 128))
      this.byte((rest % 128) | (i < 4 ? 128 : 0));
  }
  signed(value: bigint): void {
    let rest = value;
    for (;;) {
      const low = Number(rest & 127n);
      rest >>= 7n;
      if ((rest === 0n && !(low & 64)) || (rest === -1n && low & 64)) return this.byte(low);
      this.byte(low | 128);
    }
  }
  text(value: string): void {
    const utf8 = new TextEncoder().encode(value);
    this.unsigned(utf8.length);
    this.append(utf8);
  }
  append(bytes: Uint8Array): void {
    for (const value of bytes) this.byte(value);
  }
  finish(): Uint8Array {
    return this.data.subarray(0, this.length);
  }
}

export class Module {
  private readonly imports: Func[] = [];
  private readonly functions: Func[] = [];
  /** The function table: what `callIndirect` selects from. */
  readonly table: Func[] = [];
  /** `callIndirect` selects from the table of another module instead, which is imported. */
  importsTable = false;
  /** Custom sections by name. */
  readonly notes = new Map<string, string>();

  import(name: string, params: readonly Type[], result: Type | 'void'): Func {
    const func = new Func(name, params, result, true);
    this.imports.push(func);
    return func;
  }
  function(name: string, params: readonly Type[], result: Type | 'void', exported = false): Func {
    const func = new Func(name, params, result);
    func.exported = exported;
    this.functions.push(func);
    return func;
  }

  /**
   * The module's bytes. `codeSizes` receives each function's body size. The custom section "state" lists where the
   * bytes hold an offset into a vCPU's state (five-byte numbers, for vCPU 0).
   */
  encode(codeSizes?: Map<string, number>): Uint8Array {
    const signatures: string[] = [];
    const signature = (params: readonly Type[], result: Type | 'void'): number => {
      const key = `${params.join()}:${result}`;
      const known = signatures.indexOf(key);
      return known >= 0 ? known : signatures.push(key) - 1;
    };
    const indirect = signature(['i32'], 'i32');
    [...this.imports, ...this.functions].forEach((func, index) => {
      func.index = index;
      signature(func.params, func.result);
    });

    const out = new Bytes();
    out.append(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    const section = (id: number, fill: (bytes: Bytes) => void): number => {
      const bytes = new Bytes();
      fill(bytes);
      out.byte(id);
      out.unsigned(bytes.length);
      const start = out.length;
      out.append(bytes.finish());
      return start;
    };
    section(1, (bytes) => {
      bytes.unsigned(signatures.length);
      for (const key of signatures) {
        const [params = '', result = 'void'] = key.split(':');
        const list = params === '' ? [] : (params.split(',') as Type[]);
        bytes.byte(0x60);
        bytes.unsigned(list.length);
        for (const type of list) bytes.byte(types[type]);
        bytes.unsigned(result === 'void' ? 0 : 1);
        if (result !== 'void') bytes.byte(types[result as Type]);
      }
    });
    section(2, (bytes) => {
      bytes.unsigned(this.imports.length + (this.importsTable ? 2 : 1));
      bytes.text('host');
      bytes.text('memory');
      bytes.append(new Uint8Array([2, 0]));
      bytes.unsigned(1);
      if (this.importsTable) {
        bytes.text('host');
        bytes.text('table');
        bytes.append(new Uint8Array([1, 0x70, 0, 0]));
      }
      for (const func of this.imports) {
        bytes.text('host');
        bytes.text(func.name);
        bytes.byte(0);
        bytes.unsigned(signature(func.params, func.result));
      }
    });
    section(3, (bytes) => {
      bytes.unsigned(this.functions.length);
      for (const func of this.functions) bytes.unsigned(signature(func.params, func.result));
    });
    if (this.table.length > 0)
      section(4, (bytes) => {
        bytes.append(new Uint8Array([1, 0x70, 0]));
        bytes.unsigned(this.table.length);
      });
    section(7, (bytes) => {
      const exported = this.functions.filter((func) => func.exported);
      bytes.unsigned(exported.length + (this.table.length > 0 ? 1 : 0));
      for (const func of exported) {
        bytes.text(func.name);
        bytes.byte(0);
        bytes.unsigned(func.index);
      }
      if (this.table.length > 0) {
        bytes.text('table');
        bytes.byte(1);
        bytes.unsigned(0);
      }
    });
    if (this.table.length > 0)
      section(9, (bytes) => {
        bytes.unsigned(1);
        bytes.append(new Uint8Array([0, 0x41, 0, 0x0b]));
        bytes.unsigned(this.table.length);
        for (const func of this.table) bytes.unsigned(func.index);
      });
    const places: number[] = [];
    const start = section(10, (bytes) => {
      bytes.unsigned(this.functions.length);
      for (const func of this.functions) {
        const code = new FunctionWriter(indirect);
        code.write(func);
        codeSizes?.set(func.name, code.bytes.length);
        bytes.unsigned(code.bytes.length);
        const at = bytes.length;
        bytes.append(code.bytes.finish());
        for (const place of code.places) places.push(at + place);
      }
    });
    const deltas = new Bytes();
    let last = 0;
    for (const place of places) {
      deltas.unsigned(start + place - last);
      last = start + place;
    }
    section(0, (bytes) => {
      bytes.text('state');
      bytes.append(deltas.finish());
    });
    for (const [name, content] of this.notes)
      section(0, (bytes) => {
        bytes.text(name);
        bytes.append(new TextEncoder().encode(content));
      });
    return out.finish().slice();
  }
}

class FunctionWriter {
  readonly bytes = new Bytes();
  readonly places: number[] = [];
  private readonly labels: (Label | undefined)[] = [];

  constructor(private readonly indirect: number) {}

  write(func: Func): void {
    const runs: [number, Type][] = [];
    for (const type of func.locals) {
      const last = runs[runs.length - 1];
      if (last && last[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    this.bytes.unsigned(runs.length);
    for (const [count, type] of runs) {
      this.bytes.unsigned(count);
      this.bytes.byte(types[type]);
    }
    for (const expr of func.body) this.expr(expr);
    if (func.result !== 'void') this.bytes.byte(0x00);
    this.bytes.byte(0x0b);
  }

  private depth(label: Label | undefined): number {
    const at = this.labels.lastIndexOf(label);
    if (at < 0) throw new Error('branch to a label that does not enclose it');
    return this.labels.length - 1 - at;
  }

  private expr(expr: Expr): void {
    for (const arg of expr.args) this.expr(arg);
    const { bytes } = this;
    bytes.byte(expr.opcode);
    switch (expr.opcode) {
      case 0x02:
      case 0x03:
      case 0x04:
        bytes.byte(0x40);
        this.labels.push(expr.label);
        for (const inner of expr.body ?? []) this.expr(inner);
        if (expr.otherwise) {
          bytes.byte(0x05);
          for (const inner of expr.otherwise) this.expr(inner);
        }
        this.labels.pop();
        bytes.byte(0x0b);
        return;
      case 0x0c:
      case 0x0d:
        return bytes.unsigned(this.depth(expr.label));
      case 0x0e:
        bytes.unsigned(expr.labels?.length ?? 0);
        for (const label of expr.labels ?? []) bytes.unsigned(this.depth(label));
        return bytes.unsigned(this.depth(expr.label));
      case 0x10:
        return bytes.unsigned((expr as Expr & { callee: Func }).callee.index);
      case 0x11:
        bytes.unsigned(this.indirect);
        return bytes.byte(0);
      case 0x20:
      case 0x21:
        return bytes.unsigned(Number(expr.immediate));
      case 0x41:
        return bytes.signed(BigInt.asIntN(32, BigInt(expr.immediate ?? 0)));
      case 0x42:
        return bytes.signed(BigInt.asIntN(64, BigInt(expr.immediate ?? 0)));
      default:
        if (expr.alignment === undefined) return;
        bytes.unsigned(expr.alignment);
        if (expr.relocated) {
          this.places.push(bytes.length);
          bytes.padded(expr.offset ?? 0);
        } else bytes.unsigned(expr.offset ?? 0);
    }
  }
}
