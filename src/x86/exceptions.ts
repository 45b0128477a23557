/**
 * Exceptions and the interrupts with a fixed vector, as data: names, classes, error codes, and how two of them that
 * happen together combine. Intel SDM vol. 3, "Exception and Interrupt Vectors" and "Interrupt 8—Double Fault Exception".
 */

/** Vectors by mnemonic. */
export const exception = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
  VE: 20,
  CP: 21,
} as const;

export interface ExceptionRow {
  readonly vector: number;
  readonly mnemonic: `#${string}` | 'NMI';
  readonly name: string;
  /** What RIP on the stack means: the instruction itself (fault), the next one (trap), nothing certain (abort). */
  readonly type: 'fault' | 'trap' | 'fault or trap' | 'abort' | 'interrupt';
  readonly errorCode: 'none' | 'zero' | 'selector' | 'page-fault';
  /** Its class when it happens during the delivery of another, see `combine`. */
  readonly combines: 'benign' | 'contributory' | 'page-fault' | 'double-fault';
}

const row = (
  vector: number,
  mnemonic: ExceptionRow['mnemonic'],
  name: string,
  type: ExceptionRow['type'],
  errorCode: ExceptionRow['errorCode'] = 'none',
  combines: ExceptionRow['combines'] = 'benign',
): ExceptionRow => ({ vector, mnemonic, name, type, errorCode, combines });

export const exceptions: readonly ExceptionRow[] = [
  row(0, '#DE', 'Divide Error', 'fault', 'none', 'contributory'),
  row(1, '#DB', 'Debug Exception', 'fault or trap'),
  row(2, 'NMI', 'Nonmaskable External Interrupt', 'interrupt'),
  row(3, '#BP', 'Breakpoint', 'trap'),
  row(4, '#OF', 'Overflow', 'trap'),
  row(5, '#BR', 'BOUND Range Exceeded', 'fault'),
  row(6, '#UD', 'Invalid Opcode', 'fault'),
  row(7, '#NM', 'Device Not Available', 'fault'),
  row(8, '#DF', 'Double Fault', 'abort', 'zero', 'double-fault'),
  row(10, '#TS', 'Invalid TSS', 'fault', 'selector', 'contributory'),
  row(11, '#NP', 'Segment Not Present', 'fault', 'selector', 'contributory'),
  row(12, '#SS', 'Stack-Segment Fault', 'fault', 'selector', 'contributory'),
  row(13, '#GP', 'General Protection', 'fault', 'selector', 'contributory'),
  row(14, '#PF', 'Page Fault', 'fault', 'page-fault', 'page-fault'),
  row(16, '#MF', 'x87 FPU Floating-Point Error', 'fault'),
  row(17, '#AC', 'Alignment Check', 'fault', 'zero'),
  row(18, '#MC', 'Machine Check', 'abort'),
  row(19, '#XM', 'SIMD Floating-Point Exception', 'fault'),
  row(20, '#VE', 'Virtualization Exception', 'fault', 'none', 'page-fault'),
  row(21, '#CP', 'Control Protection Exception', 'fault', 'selector', 'contributory'),
];

const byVector: readonly (ExceptionRow | undefined)[] = Array.from({ length: 256 }, (_, vector) =>
  exceptions.find((each) => each.vector === vector),
);

/** The row of a vector, or undefined for reserved and user-defined vectors. */
export const exceptionOf = (vector: number): ExceptionRow | undefined => byVector[vector];

/** `#GP` for 13, `0x30` for vectors without a name. */
export const exceptionName = (vector: number): string => byVector[vector]?.mnemonic ?? `0x${vector.toString(16)}`;

/**
 * What becomes of a second exception during the delivery of a first one: it is delivered instead ('serial'), both
 * become #DF ('double'), or the processor shuts down ('triple').
 */
export const combine = (first: number, second: number): 'serial' | 'double' | 'triple' => {
  const later = byVector[second]?.combines ?? 'benign';
  if (later === 'benign') return 'serial';
  const earlier = byVector[first]?.combines ?? 'benign';
  if (earlier === 'double-fault') return 'triple';
  if (earlier === 'page-fault') return 'double';
  return earlier === 'contributory' && later !== 'page-fault' ? 'double' : 'serial';
};
