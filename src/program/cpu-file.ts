/**
 * A user's own processor, from the values of its MSRs and CPUID leaves as common tools print them: `MSR = value` lines, the
 * output of rdmsr, of `cpuid -r`, of AIDA64, and VirtualBox's log. What the file lacks is taken from haswell, and named.
 */

import type { CpuidRow, Preset } from '../x86/cpuid';
import { haswell } from '../x86/presets/haswell';
import { type CapabilityMsr, capabilityMsrAt, capabilityMsrs } from '../x86/vmx/capabilities';
import { BadInput } from './program';

const HEX = '(?:0x)?([0-9a-f][0-9a-f_`-]*)';
const TIME = String.raw`(?:[\d:.]+\s+)?(?:HM:\s+)?`;
const expression = (text: string): RegExp => new RegExp(`^${text}$`, 'i');

const named = expression(String.raw`${TIME}(?:MSR_)?(IA32_\w+)\s*[=:]\s*${HEX}h?`);
const addressed = expression(String.raw`(?:MSR\s+)?(?:0x)?([0-9a-f]{3,8})h?\s*(?:[=:]|\s)\s*${HEX}h?`);
const asked = expression(String.raw`(?:\S*[$#]\s*)?(?:sudo\s+)?rdmsr\s+(?:-\S+\s+)*(?:0x)?([0-9a-f]{2,8})`);
const bare = expression(HEX);
const leafOfTool = expression(
  String.raw`0x([0-9a-f]{8})\s+0x([0-9a-f]+):\s+eax=0x([0-9a-f]+)\s+ebx=0x([0-9a-f]+)\s+ecx=0x([0-9a-f]+)\s+edx=0x([0-9a-f]+)`,
);
const leafOfDump = expression(
  String.raw`CPUID\s+([0-9a-f]{8}):\s+([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{8})(?:\s+\[.*\])*`,
);
const subleafOfDump = /\[SL ([0-9a-f]+)\]/i;
/** Blank lines, comments, the heads of one processor's part, MSRs that could not be read. */
const empty = /^$|^[#;]|^\/\/|^CPU(\s*#?\d+)?:$|^-{3,}|<\s*FAILED\s*>/i;

const number = (text: string): bigint => BigInt(`0x${text.replace(/[_`-]/g, '')}`);

interface Found {
  readonly msrs: Map<CapabilityMsr, { value: bigint; line: number }>;
  readonly leaves: Map<string, CpuidRow>;
  readonly problems: string[];
}

/** @throws BadInput with a line for each line that cannot be read */
export const readCpuFile = (text: string, path: string): Preset => {
  const found: Found = { msrs: new Map(), leaves: new Map(), problems: [] };
  let pending: number | undefined;
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    const complain = (says: string): unknown => found.problems.push(`${path}:${index + 1}: ${says}`);
    const question = asked.exec(line);
    if (question) {
      pending = Number(number(question[1] as string));
      return;
    }
    const answer = pending === undefined ? null : bare.exec(line);
    if (answer) {
      // rdmsr -a prints the value of every processor.
      takeMsr(found, pending as number, answer[1] as string, index + 1, complain);
      return;
    }
    pending = undefined;
    if (empty.test(line) || takeLeaf(found, line)) return;
    const name = named.exec(line);
    const address = name ? undefined : addressed.exec(line);
    if (name) {
      const msr = capabilityMsrs[(name[1] as string).toUpperCase() as CapabilityMsr];
      // Another MSR, such as IA32_FEATURE_CONTROL, says nothing about the model.
      if (msr !== undefined) takeMsr(found, msr, name[2] as string, index + 1, complain);
      else if (/^IA32_VMX/i.test(name[1] as string)) complain(`${name[1]}: no such capability MSR`);
    } else if (address) {
      takeMsr(found, Number(number(address[1] as string)), address[2] as string, index + 1, complain);
    } else {
      complain(
        `'${line.length > 40 ? `${line.slice(0, 40)}…` : line}' is neither MSR = value, such as 0x480 = 0xda040000000010, nor a line of cpuid -r`,
      );
    }
  });
  if (found.problems.length > 0) throw new BadInput(found.problems.join('\n'));
  if (found.msrs.size === 0 && found.leaves.size === 0)
    throw new BadInput(`${path}: neither a VMX capability MSR nor a CPUID leaf is in this file`);
  return presetFrom(found, path);
};

const takeMsr = (
  { msrs }: Found,
  address: number,
  digits: string,
  line: number,
  complain: (says: string) => unknown,
): void => {
  const name = capabilityMsrAt(address);
  if (name === undefined) return;
  const value = number(digits);
  const before = msrs.get(name);
  if (value >> 64n !== 0n) complain(`${name} has 64 bits; 0x${value.toString(16)} has more`);
  else if (before !== undefined && before.value !== value)
    complain(`${name} is 0x${before.value.toString(16)} in line ${before.line} and 0x${value.toString(16)} here`);
  else if (before === undefined) msrs.set(name, { value, line });
};

/** Of several processors the first counts. */
const takeLeaf = ({ leaves }: Found, line: string): boolean => {
  const tool = leafOfTool.exec(line)?.slice(1);
  const dump = leafOfDump.exec(line)?.slice(1);
  if (dump) dump.splice(1, 0, subleafOfDump.exec(line)?.[1] ?? '0');
  const row = (tool ?? dump)?.map((digits) => Number(number(digits)));
  if (row === undefined) return false;
  const key = `${row[0]}.${row[1]}`;
  if (!leaves.has(key)) leaves.set(key, row as unknown as CpuidRow);
  return true;
};

const EXTENDED = 0x8000_0000;
const HYPERVISOR_LEAVES = 0x4000_0000;
const FROM_HASWELL = 'not in the file: as on haswell';

const presetFrom = ({ msrs, leaves }: Found, path: string): Preset => {
  const rows = [...leaves.values()].filter(([leaf]) => leaf < HYPERVISOR_LEAVES || leaf >= EXTENDED);
  const has = (leaf: number): boolean => rows.some((row) => row[0] === leaf);
  const [notes, given] = [[] as string[], rows.length > 0];
  if (!given) notes.push('without CPUID leaves: those of haswell');
  for (const [first, low] of [
    [0, 0],
    [EXTENDED, EXTENDED],
  ] as const) {
    const largest = Math.max(low, ...rows.map(([leaf]) => leaf).filter((leaf) => leaf >= EXTENDED === low > 0));
    if (!given || has(first)) continue;
    rows.push([
      first,
      0,
      largest,
      ...(low === 0 ? ([0x756e6547, 0x6c65746e, 0x49656e69] as const) : ([0, 0, 0] as const)),
    ]);
    notes.push(
      `without CPUID leaf ${first.toString(16).toUpperCase()}H: ${largest.toString(16).toUpperCase()}H is the last`,
    );
  }
  if (given && !has(1)) {
    rows.push(haswell.leaves.find(([leaf]) => leaf === 1) as CpuidRow);
    notes.push('without CPUID leaf 1: the features of haswell');
  }
  if (given && !has(0x8000_0008)) {
    // Intel SDM vol. 3, "Physical Address Extension": 36 bits where the leaf is missing.
    rows.push([0x8000_0008, 0, 0x3024, 0, 0, 0]);
    raise(rows, EXTENDED, 0x8000_0008);
    notes.push('without CPUID leaf 80000008H: 36 physical bits');
  }
  const frequency = frequencyOf(rows);
  if (frequency === undefined) notes.push('without CPUID leaf 16H: the frequency of haswell');
  const names = (Object.keys(capabilityMsrs) as CapabilityMsr[]).filter(
    (name) => msrs.has(name) || name in (haswell.vmx ?? {}),
  );
  const vmx = Object.fromEntries(names.map((name) => [name, msrs.get(name)?.value ?? haswell.vmx?.[name]]));
  const assumed = Object.fromEntries(names.filter((name) => !msrs.has(name)).map((name) => [name, FROM_HASWELL]));
  return {
    name: path,
    title: `the processor of ${path}`,
    source: [path, ...notes].join('; '),
    vmxSource: path,
    assumed,
    frequency: frequency ?? haswell.frequency,
    microcode: 0,
    leaves: given ? rows : haswell.leaves,
    vmx,
  };
};

/** The last leaf that CPUID names must not be below one that is added. */
const raise = (rows: CpuidRow[], leaf: number, least: number): void => {
  const index = rows.findIndex((row) => row[0] === leaf);
  const [, subleaf, eax, ebx, ecx, edx] = rows[index] as CpuidRow;
  rows[index] = [leaf, subleaf, Math.max(eax, least), ebx, ecx, edx];
};

/** The base frequency of leaf 16H, in MHz there. */
const frequencyOf = (rows: readonly CpuidRow[]): number | undefined => {
  const mhz = (rows.find(([leaf]) => leaf === 0x16)?.[2] ?? 0) & 0xffff;
  return mhz === 0 ? undefined : mhz * 1e6;
};
