/** I/O instructions, RDMSR and WRMSR: by their bitmaps. Intel SDM vol. 3, "I/O-Bitmap Addresses" and "MSR-Bitmap Address". */

import { Mnemonic } from 'iced-x86';
import { checkPort } from '../../cpu/io-permission';
import { readRegister, segmentLinear } from '../../cpu/operands';
import { portAccess, stringPorts } from '../../cpu/ports';
import { requireCpl0 } from '../../cpu/privilege';
import type { ExitCause } from '../../cpu/virtualization';
import { control } from '../control-bits';
import { stringInformation } from '../instruction-information';
import type { Vmx } from '../vmx';
import { exitOf, type Intercept } from './intercept';

/** The bit of a bitmap page that stands for a number. */
const bitOf = (
  vmx: Vmx,
  page: bigint,
  number: number,
): { readonly set: boolean; readonly at: bigint; readonly bit: number } => {
  const at = page + BigInt(number >>> 3);
  const { physical } = vmx.cpu;
  const byte = Number(physical.read(physical.gate(Number(at)), 1));
  return { set: ((byte >>> (number & 7)) & 1) !== 0, at, bit: number & 7 };
};

/** A port's bit in bitmap A (below 8000H) or B; an access that wraps around at FFFFH exits always. */
const ioCause = (vmx: Vmx, port: number, size: number): ExitCause | undefined => {
  const { primary } = vmx.controls;
  if (!(primary & control.ioBitmaps))
    return primary & control.unconditionalIo
      ? { rule: 'io.unconditional', control: 'primary.unconditional-io-exiting', value: BigInt(port) }
      : undefined;
  if (port + size > 0x10000) return { rule: 'io.wraps', control: 'primary.use-io-bitmaps', value: BigInt(port) };
  for (let one = port; one < port + size; one++) {
    const field = one < 0x8000 ? 'IO_BITMAP_A' : 'IO_BITMAP_B';
    const { set, at, bit } = bitOf(vmx, vmx.current?.get(field) ?? 0n, one & 0x7fff);
    if (set)
      return { rule: 'io.bitmap', control: 'primary.use-io-bitmaps', field, bitmapByte: at, bit, value: BigInt(one) };
  }
  return undefined;
};

const inputOutput: Intercept = (vmx, instruction) => {
  const access = portAccess(vmx.cpu, instruction);
  if (access === undefined) return undefined;
  const { port, size, input, immediate, string } = access;
  checkPort(vmx.cpu, port, size);
  const cause = ioCause(vmx, port, size);
  if (cause === undefined) return undefined;
  const bits =
    (size - 1) |
    (input ? 1 << 3 : 0) |
    (string ? 1 << 4 : 0) |
    (string?.repeated ? 1 << 5 : 0) |
    (immediate ? 1 << 6 : 0) |
    (port << 16);
  const more = string && {
    // Whether memory is accessible there, nobody has asked yet.
    guestLinear: segmentLinear(vmx.cpu, string.segment, readRegister(vmx.cpu, string.index)),
    instructionInfo: stringInformation(instruction, string.segment),
  };
  return exitOf('IO_INSTRUCTION', cause, instruction, { qualification: BigInt(bits >>> 0), ...more });
};

const MSR_LOW = 0x2000;
const MSR_HIGH = 0xc000_0000;
/** Quarters of the page: reads of low and of high MSRs, then writes. */
const QUARTER = 1024n;

const msrCause = (vmx: Vmx, register: number, write: boolean): ExitCause | undefined => {
  const value = BigInt(register);
  if (!(vmx.controls.primary & control.msrBitmaps))
    return { rule: 'msr.no-bitmap', control: 'primary.use-msr-bitmaps', value };
  const high = register >= MSR_HIGH;
  const number = high ? register - MSR_HIGH : register;
  if (number >= MSR_LOW) return { rule: 'msr.outside-bitmap', control: 'primary.use-msr-bitmaps', value };
  const part = (write ? 2n : 0n) + (high ? 1n : 0n);
  const { set, at, bit } = bitOf(vmx, (vmx.current?.get('MSR_BITMAP') ?? 0n) + part * QUARTER, number);
  return set
    ? { rule: 'msr.bitmap', control: 'primary.use-msr-bitmaps', field: 'MSR_BITMAP', bitmapByte: at, bit, value }
    : undefined;
};

const msr =
  (write: boolean): Intercept =>
  (vmx, instruction) => {
    requireCpl0(vmx.cpu, write ? 'wrmsr' : 'rdmsr');
    const cause = msrCause(vmx, vmx.cpu.state.gpr32(1), write);
    return cause && exitOf(write ? 'WRMSR' : 'RDMSR', cause, instruction);
  };

export const bitmapIntercepts: ReadonlyMap<Mnemonic, Intercept> = new Map<Mnemonic, Intercept>([
  [Mnemonic.In, inputOutput],
  [Mnemonic.Out, inputOutput],
  ...stringPorts.map((mnemonic): [Mnemonic, Intercept] => [mnemonic, inputOutput]),
  [Mnemonic.Rdmsr, msr(false)],
  [Mnemonic.Wrmsr, msr(true)],
]);
