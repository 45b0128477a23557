/** A field of a VMCS as an item: its value in words, its bits by name, what it points to, and who wrote it last. */

import type { Vmx } from '../../machine/vmx/vmx';
import { hex, linear } from '../../x86/address';
import { controlWords } from '../../x86/vmx/controls';
import { controlWord } from '../../x86/vmx/field-bits';
import { type FieldName, groupOf, vmcsFields, widthOf } from '../../x86/vmx/fields';
import type { Place } from '../address';
import type { Item } from '../item';
import { fixedSetting, hasField, lackText, writeRefusal } from '../vmcs/availability';
import { bitsOfField, fieldMeaning, partMeaning } from '../vmcs/meaning';
import { fieldWidth, isRaw } from '../vmcs/names';
import type { VmcsView } from '../vmcs/view';
import { bitField } from './decode';
import type { Subject } from './scope';
import { pointedOf } from './vmcs-pointers';

const writerWords = {
  never: 'never written',
  vmwrite: 'VMWRITE',
  exit: 'a VM exit',
  load: 'loaded from its region in memory',
  debugger: 'the debugger',
} as const;

/** `VMWRITE at 0x10023c setup+0x14 guest.asm:88, step 123`. */
export const writerText = ({ info }: Pick<Subject, 'info'>, view: VmcsView, name: FieldName): string | undefined => {
  const writer = view.writer(name);
  if (writer === undefined) return undefined;
  if (writer.by === 'never') return writerWords.never;
  return `${writerWords[writer.by]} at ${info.placeOf(linear(writer.rip))}, step ${writer.step}`;
};

/** Fields that hold an address of code. */
const code: ReadonlySet<FieldName> = new Set(['GUEST_RIP', 'HOST_RIP', 'GUEST_SYSENTER_EIP', 'HOST_IA32_SYSENTER_EIP']);

const guestLinear = /^GUEST_(RIP|RSP|LINEAR_ADDRESS|\w+_BASE|SYSENTER_E[IS]P)$/;
const hostLinear = /^HOST_(RIP|RSP|\w+_BASE|IA32_SYSENTER_E[IS]P)$/;
const guestPhysical = /^GUEST_(PHYSICAL_ADDRESS|CR3)$/;

/** Where the view of memory opens: of a guest only where it is the current one's. */
const memoryOf = (
  { vcpu }: Subject,
  view: VmcsView,
  name: FieldName,
  pointed: Place | undefined,
): { readonly memory?: Place } => {
  if (pointed !== undefined) return { memory: pointed };
  const own = view.state === 'current' && view.vcpu === vcpu.index;
  const value = view.get(name);
  if (own && guestLinear.test(name)) return { memory: { space: 'guest', address: value } };
  if (own && guestPhysical.test(name)) return { memory: { space: 'gpa', address: value & ~0xfffn } };
  const root = vcpu.vmx?.nonRoot === false;
  if (root && hostLinear.test(name)) return { memory: { space: 'linear', address: value } };
  return name === 'HOST_CR3' ? { memory: { space: 'phys', address: value & ~0xfffn } } : {};
};

const groupWords = {
  control: 'control field',
  information: 'exit information',
  guest: 'guest state',
  host: 'host state',
};

/** Name in expressions: of the current VMCS the bare one. */
const expressionOf = (view: VmcsView, subject: Subject, name: FieldName): string =>
  view.state === 'current' && view.vcpu === subject.vcpu.index ? name : `vmcs.${hex(view.address)}.${name}`;

const sizes = { 16: 2, 32: 4, 64: 8 } as const;

export const vmcsFieldItem = (subject: Subject, view: VmcsView, name: FieldName): Item => {
  const { vmx } = subject.vcpu;
  const bits = view.get(name);
  const lacks = vmx === undefined || !hasField(vmx, name);
  const words = fieldMeaning(name, bits, view.get);
  const symbol = code.has(name) ? subject.info.nameOf(linear(bits)) : undefined;
  const meaning = lacks ? lackText(name) : (symbol ?? words);
  const pointed = lacks ? undefined : pointedOf(subject, view, name);
  const expression = expressionOf(view, subject, name);
  const { encoding, title } = vmcsFields[name];
  const settable = isRaw(subject.machine) || (vmx !== undefined && writeRefusal(vmx, name) === undefined);
  return {
    name,
    bits,
    size: sizes[fieldWidth(name)],
    ...(meaning === '' ? {} : { meaning }),
    expression,
    ...(settable ? { settable } : {}),
    type: `${title}, encoding ${hex(encoding)}`,
    ...(code.has(name) ? { code: linear(bits) } : {}),
    ...memoryOf(subject, view, name, pointed?.memory),
    children: () => [
      ...partItems(subject, view, name, expression, settable),
      ...(pointed?.items() ?? []),
      {
        name: 'encoding',
        bits: BigInt(encoding),
        size: 4,
        meaning: `${title}: ${widthText(encoding)}, ${groupWords[groupOf(encoding)]}`,
      },
      ...writtenItem(subject, view, name),
    ],
  };
};

const widthText = (encoding: number): string => {
  const width = widthOf(encoding);
  return width === 'natural' ? 'natural width' : `${width} bits`;
};

const writtenItem = (subject: Subject, view: VmcsView, name: FieldName): Item[] => {
  const meaning = writerText(subject, view, name);
  const writer = view.writer(name);
  if (meaning === undefined || writer === undefined) return [];
  return [{ name: 'written by', meaning, ...(writer.by === 'never' ? {} : { code: linear(writer.rip) }) }];
};

const partItems = (
  { vcpu: { vmx } }: Subject,
  view: VmcsView,
  name: FieldName,
  expression: string,
  settable: boolean,
): Item[] =>
  Object.entries(bitsOfField(name, view.get) ?? {}).map(([part, { bit, width = 1, meaning }]): Item => {
    const bits = bitField(view.get(name), bit, width);
    const value = partMeaning(name, part, bits);
    const allowed = vmx === undefined ? '' : allowedText(vmx, name, part);
    return {
      name: part,
      bits,
      width,
      meaning: value === undefined ? `${meaning}${allowed}` : `${value} (${meaning})`,
      expression: `${expression}.${part}`,
      ...(settable ? { settable } : {}),
      type: width === 1 ? `bit ${bit}` : `bits ${bit + width - 1}:${bit}`,
    };
  });

/** Of a control: whether the processor leaves a choice. */
const allowedText = (vmx: Vmx, name: FieldName, part: string): string => {
  for (const [word, { field, bits }] of Object.entries(controlWords)) {
    const id = field === name ? Object.keys(bits).find((one) => controlWord(one) === part) : undefined;
    const fixed = id === undefined ? undefined : fixedSetting(vmx, `${word}.${id}`);
    if (fixed !== undefined) return `, always ${fixed} on this processor`;
  }
  return '';
};
