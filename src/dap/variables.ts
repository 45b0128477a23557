/** Items as the protocol's variables: pages, formats, marks, and references to what can be opened or gone to. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { type Place, placeText } from '../debugger/address';
import { type Item, itemValue, type Mark, type ValueFormat } from '../debugger/item';
import type { Context } from './context';
import { frameOf } from './frames';
import type { Container } from './handles';
import { hasLocation, locationReference } from './locations';

/** Rows of one page for clients that ask for all at once. */
const PAGE = 100;

/** The children of a container, as far as they were asked for. */
export const variablesOf = (
  context: Context,
  container: Container,
  { start = 0, count, filter, format }: Omit<DebugProtocol.VariablesArguments, 'variablesReference'>,
): DebugProtocol.Variable[] => {
  const wants = filter ?? (container.count === undefined ? 'named' : 'indexed');
  if (wants !== (container.count === undefined ? 'named' : 'indexed')) return [];
  const shown = formatOf(context, format);
  const show = (items: readonly Item[]) => items.map((item) => variable(context, container, item, shown));
  // The protocol takes 0 for "all".
  const end = count ? start + count : undefined;
  if (container.count === undefined) return show(container.items().slice(start, end));
  const rest = Math.max(0, Math.min(end ?? container.count, container.count) - start);
  const pages = context.client.supportsVariablePaging !== true && count === undefined;
  if (pages && rest > PAGE) return show(pagesOf(container, start, rest));
  return rest === 0 ? [] : show(container.items(start, rest).slice(0, rest));
};

/** `[0..99]`, `[100..199]` and so on, of larger pages where there are more than a hundred. */
const pagesOf = (container: Container, start: number, count: number): Item[] => {
  let size = PAGE;
  while (count / size > PAGE) size *= PAGE;
  return Array.from({ length: Math.ceil(count / size) }, (_, page): Item => {
    const from = start + page * size;
    const length = Math.min(size, start + count - from);
    return {
      name: `[${from}..${from + length - 1}]`,
      meaning: `${length} rows`,
      children: () =>
        length > PAGE ? pagesOf(container, from, length) : [...container.items(from, length)].slice(0, length),
    };
  });
};

/** Hexadecimal unless the request or the session says otherwise. */
export const formatOf = (context: Context, format: DebugProtocol.ValueFormat | undefined): ValueFormat => {
  if (format?.hex === undefined) return { radix: context.radix };
  return { radix: format.hex ? 'hex' : context.radix === 'hex' ? 'decimal' : context.radix };
};

/** SGR parameters of ECMA-48: yellow, red. */
const colours: Readonly<Record<Mark, number>> = { changed: 33, stale: 33, differs: 33, denied: 31 };

/** What is marked is coloured where the client shows colours. */
export const valueText = (context: Context, item: Item, format: ValueFormat): string => {
  const value = itemValue(item, format);
  if (item.mark === undefined || context.client.supportsANSIStyling !== true) return value;
  return `\u001b[${colours[item.mark]}m${value}\u001b[0m`;
};

/** One row of a tree, with a reference of its own when it can be opened. */
const variable = (context: Context, parent: Container, item: Item, format: ValueFormat): DebugProtocol.Variable => {
  const { name, expression, memory, type, lazy, code, declaration } = item;
  return {
    name,
    value: lazy === true ? '' : valueText(context, item, format),
    ...(type === undefined || context.client.supportsVariableType !== true ? {} : { type }),
    ...(expression === undefined ? {} : { evaluateName: expression }),
    ...(memory === undefined ? {} : { memoryReference: placeText(placeSeenFrom(context, memory, parent.vcpu)) }),
    presentationHint: hintOf(item),
    ...(code !== undefined && hasLocation(context, code)
      ? { valueLocationReference: locationReference(context, code) }
      : {}),
    ...(declaration !== undefined && hasLocation(context, declaration)
      ? { declarationLocationReference: locationReference(context, declaration) }
      : {}),
    ...childrenOf(context, parent, item),
  };
};

const hintOf = ({ settable, lazy, bits, children }: Item): DebugProtocol.VariablePresentationHint => ({
  kind: bits === undefined && children !== undefined ? 'virtual' : 'data',
  ...(settable === true ? {} : { attributes: ['readOnly'] }),
  ...(lazy === true ? { lazy } : {}),
});

/** The reference under which an item's children are asked for, and how many they are where that is known. */
export const childrenOf = (
  context: Context,
  { vcpu, path }: Pick<Container, 'vcpu' | 'path'>,
  { name, count, children }: Item,
): { readonly variablesReference: number; readonly indexedVariables?: number } => {
  if (children === undefined) return { variablesReference: 0 };
  const variablesReference = context.handles.reference({
    vcpu,
    items: children,
    ...(path === undefined ? {} : { path: `${path}/${name}` }),
    ...(count === undefined ? {} : { count }),
  });
  return { variablesReference, ...(count === undefined ? {} : { indexedVariables: count }) };
};

/** A place that is another vCPU's says so. */
const placeSeenFrom = (context: Context, place: Place, vcpu: number): Place =>
  place.space === 'phys' || place.vcpu !== undefined || vcpu === frameOf(context, undefined).vcpu
    ? place
    : { ...place, vcpu };
