/**
 * How a value is to be shown: what stands behind the last comma of an expression that is typed for its value, as C
 * debuggers have it: `rax,d`, `rflags,b`, `message,s`, `[rsp],[8]`.
 */

export const formats = {
  x: 'hexadecimal',
  d: 'decimal, signed',
  u: 'decimal, unsigned',
  b: 'binary',
  o: 'octal',
  c: 'character',
  s: 'the text at that address, up to its zero byte',
} as const;

export type Format = keyof typeof formats;

export const isFormat = (text: string): text is Format => Object.hasOwn(formats, text);
