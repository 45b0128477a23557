/**
 * Fields of a VMCS as names in expressions: `GUEST_RIP` and `vmcs.guest_cr0.pe` of the current one,
 * `vmcs.0x5000.GUEST_RIP` of any; `vmcs.pointer`, `vmcs.launched`, and `vmcs.raw`, which lets edits break VMWRITE's rules.
 */

import type { Machine } from '../../machine/pc';
import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import { type ExitReasonName, exitReasons } from '../../x86/vmx/exit-reasons';
import { type FieldName, fieldNames, vmcsFields, widthOf } from '../../x86/vmx/fields';
import { bigWord, type Field, noSuchPart, type Owner, partOf } from '../fields/field';
import { setField } from '../fields/names';
import type { NameSource } from '../name-sources';
import { writeRefusal } from './availability';
import { bitsOfField } from './meaning';
import { currentVmcs, type VmcsView, vmcsAt } from './view';

const byWord: ReadonlyMap<string, FieldName> = new Map(fieldNames.map((name) => [name.toLowerCase(), name]));

/** A field's name in any case. */
export const isFieldName = (name: string): boolean => byWord.has(name.toLowerCase());

export const fieldWidth = (name: FieldName): 16 | 32 | 64 => {
  const width = widthOf(vmcsFields[name].encoding);
  return width === 'natural' ? 64 : width;
};

/** Machines whose VMCSs are edited without VMWRITE's rules. */
const raw = new WeakSet<Machine>();
export const isRaw = (machine: Machine): boolean => raw.has(machine);

/** A field as a place. @throws BadInput at a write that VMWRITE would refuse */
const placeOf = ({ machine, vcpu }: Owner, view: VmcsView, name: FieldName): Field => ({
  width: fieldWidth(name),
  read: () => view.get(name),
  write: (value) => {
    const { vmx } = vcpu;
    const refusal = vmx === undefined || isRaw(machine) ? undefined : writeRefusal(vmx, name);
    if (refusal !== undefined) throw new BadInput(`${name}: ${refusal}; \`vmcs.raw = 1\` sets it all the same`);
    machine.input({ kind: 'vmcs', vcpu: view.vcpu, address: view.address, field: name, value });
  },
});

/** One or several bits of it, by name. */
const partNamed = (field: Field, view: VmcsView, name: FieldName, part: string): Field | undefined => {
  const bits = bitsOfField(name, view.get) ?? {};
  const row = Object.hasOwn(bits, part) ? bits[part] : undefined;
  return row === undefined ? undefined : partOf(field, [[row.bit, row.width ?? 1]]);
};

const specials: Readonly<Record<string, (owner: Owner) => Field>> = {
  raw: ({ machine }) => ({
    width: 1,
    read: () => (isRaw(machine) ? 1n : 0n),
    write: (value) => void (value === 0n ? raw.delete(machine) : raw.add(machine)),
  }),
  pointer: ({ vcpu }) => ({ width: 64, read: () => vcpu.vmx?.pointer }),
  launched: ({ vcpu }) => ({
    width: 1,
    read: () => (vcpu.vmx?.current === undefined ? undefined : vcpu.vmx.current.launched ? 1n : 0n),
  }),
};

/** `vmcs.NAME`, `vmcs.ADDRESS.NAME`, `NAME`, each with a part. */
const find = (owner: Owner, text: string): Field | undefined => {
  if (owner.vcpu.vmx === undefined) return undefined;
  const words = text.toLowerCase().split('.');
  const prefixed = words[0] === 'vmcs' && words.length > 1;
  if (prefixed) words.shift();
  const [first = ''] = words;
  if (prefixed && words.length === 1 && Object.hasOwn(specials, first)) return specials[first]?.(owner);
  const address = prefixed ? bigWord(first) : undefined;
  if (address !== undefined) words.shift();
  const name = byWord.get(words[0] ?? '');
  if (name === undefined || words.length > 2) return undefined;
  const view = address === undefined ? currentVmcs(owner.vcpu) : vmcsAt(owner.machine, owner.vcpu, address);
  if (view === undefined) return undefined;
  const field = placeOf(owner, view, name);
  const [, part] = words;
  return part === undefined ? field : partNamed(field, view, name, part);
};

/** Why a name of a field, or of a part of one, means nothing now. */
export const absenceOfField = (owner: Owner, text: string): string | undefined => {
  const words = text.toLowerCase().split('.');
  if (words[0] === 'vmcs') words.shift();
  const address = bigWord(words[0]);
  if (address !== undefined) words.shift();
  const name = byWord.get(words[0] ?? '');
  if (name === undefined || owner.vcpu.vmx === undefined) return undefined;
  const view = address === undefined ? currentVmcs(owner.vcpu) : vmcsAt(owner.machine, owner.vcpu, address);
  if (view === undefined)
    return address === undefined
      ? `no VMCS is current, so that there is no ${name}`
      : `there is no VMCS at ${hex(address)}`;
  const [, part] = words;
  return part === undefined ? undefined : noSuchPart(name, part, Object.keys(bitsOfField(name, view.get) ?? {}));
};

/** The field that a name means, where it is no part of one, and whose it is. */
export const namedField = (
  owner: Owner,
  text: string,
): { readonly view: VmcsView; readonly name: FieldName } | undefined => {
  const words = text.toLowerCase().split('.');
  const name = byWord.get(words.at(-1) ?? '');
  const address = words.length > 2 ? bigWord(words[1]) : undefined;
  if (name === undefined || words.length > 3 || (words.length > 1 && words[0] !== 'vmcs')) return undefined;
  const view = address === undefined ? currentVmcs(owner.vcpu) : vmcsAt(owner.machine, owner.vcpu, address);
  return view === undefined ? undefined : { view, name };
};

const sizes = [1, 2, 4, 8] as const;

export const vmcsNames = (owner: Owner): NameSource => ({
  kind: 'VMCS field',
  beginning: (prefix, most) => {
    if (owner.vcpu.vmx?.current === undefined) return [];
    const [, head = '', rest = ''] = /^(vmcs\.)?(.*)$/i.exec(prefix) ?? [];
    const wanted = rest.toLowerCase();
    const [whole = ''] = wanted.split('.');
    const name = byWord.get(whole);
    const parts =
      name === undefined || !wanted.includes('.')
        ? []
        : Object.keys(bitsOfField(name, (one) => owner.vcpu.vmx?.current?.get(one)) ?? {}).map(
            (part) => `${name}.${part}`,
          );
    const own = [...(head === '' ? [] : Object.keys(specials)), ...fieldNames, ...parts];
    return own
      .filter((one) => one.toLowerCase().startsWith(wanted))
      .map((one) => head + one)
      .slice(0, most);
  },
  read: (name) => {
    const field = find(owner, name);
    const bits = field?.read();
    if (field === undefined || bits === undefined) return undefined;
    return { bits, signed: false, size: sizes.find((size) => field.width <= size * 8) ?? 8 };
  },
  write: (name, value) => {
    const field = find(owner, name);
    if (field === undefined) return false;
    setField(name, field, value);
    return true;
  },
});

/** Exit reasons as numbers: `VM_EXIT_REASON == CPUID`. Written as the manual's names are, so that symbols stay what they are. */
const exitReasonNumber = (name: string): bigint | undefined =>
  Object.hasOwn(exitReasons, name) ? BigInt(exitReasons[name as ExitReasonName].number) : undefined;

export const exitReasonNames = ({ vcpu }: Owner): NameSource => ({
  kind: 'exit reason',
  beginning: (prefix, most) =>
    vcpu.vmx?.on === true && prefix !== ''
      ? Object.keys(exitReasons)
          .filter((name) => name.startsWith(prefix))
          .slice(0, most)
      : [],
  read: (name) => {
    const bits = vcpu.vmx === undefined ? undefined : exitReasonNumber(name);
    return bits === undefined ? undefined : { bits, signed: false, size: 2 };
  },
  write: (name) => {
    if (vcpu.vmx === undefined || exitReasonNumber(name) === undefined) return false;
    throw new BadInput(`${name} is the number of an exit reason, which cannot be set`);
  },
});
