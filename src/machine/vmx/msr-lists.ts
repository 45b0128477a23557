/** MSR areas: what exits store and load, and what entries load. Intel SDM vol. 3, "Loading MSRs" and "Saving MSRs". */

import { isX2apicMsr } from '../../x86/msrs';
import type { MsrRefusal } from '../core/exit';
import { Fault } from '../core/fault';
import type { Cpu } from '../cpu/cpu';
import { readMsr, writeMsr } from '../cpu/msrs';
import type { Vmcs } from './vmcs';

const ENTRY = 16;
const FS_BASE = 0xc000_0100;
const GS_BASE = 0xc000_0101;
const SMM_MONITOR_CTL = 0x9b;
const SMBASE = 0x9e;
const BIOS_UPDATE_TRIGGER = 0x79;

interface Entry {
  readonly index: number;
  readonly reserved: number;
  readonly value: bigint;
}

const entryAt = ({ physical }: Cpu, address: number): Entry => ({
  index: Number(physical.read(physical.gate(address), 4)),
  reserved: Number(physical.read(physical.gate(address + 4), 4)),
  value: physical.read(physical.gate(address + 8), 8),
});

const refusedIndex = ({ index, reserved }: Entry, loading: boolean): MsrRefusal['rule'] | undefined => {
  if (reserved !== 0) return 'reserved';
  if (loading && (index === FS_BASE || index === GS_BASE)) return 'segment-base';
  if (isX2apicMsr(index)) return 'x2apic';
  if (index === SMM_MONITOR_CTL || (!loading && index === SMBASE)) return 'smm';
  return loading && index === BIOS_UPDATE_TRIGGER ? 'microcode' : undefined;
};

const addressOf = (vmcs: Vmcs, field: number): number => vmcs.low(field) + vmcs.high(field) * 2 ** 32;

/** Loads the MSRs of a list, named by its two fields, in order; stops at the first that is refused, with those before it loaded. */
export const loadMsrs = (cpu: Cpu, vmcs: Vmcs, address: number, count: number): MsrRefusal | undefined => {
  for (let n = 0; n < vmcs.low(count); n++) {
    const entry = entryAt(cpu, addressOf(vmcs, address) + n * ENTRY);
    const rule = refusedIndex(entry, true);
    if (rule !== undefined) return { entry: n + 1, index: entry.index, rule };
    try {
      writeMsr(cpu, entry.index, entry.value);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { entry: n + 1, index: entry.index, rule: 'wrmsr' };
    }
  }
  return undefined;
};

/** Stores the MSRs that a list names into it. */
export const storeMsrs = (cpu: Cpu, vmcs: Vmcs, address: number, count: number): MsrRefusal | undefined => {
  for (let n = 0; n < vmcs.low(count); n++) {
    const at = addressOf(vmcs, address) + n * ENTRY;
    const entry = entryAt(cpu, at);
    const rule = refusedIndex(entry, false);
    if (rule !== undefined) return { entry: n + 1, index: entry.index, rule };
    try {
      cpu.physical.write(cpu.physical.gate(at + 8), 8, readMsr(cpu, entry.index));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { entry: n + 1, index: entry.index, rule: 'rdmsr' };
    }
  }
  return undefined;
};
