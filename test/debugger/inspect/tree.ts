/** Everything that the scopes of a session show, opened as far as it goes. */

import { scopesOf } from '../../../src/debugger/inspect/scopes';
import type { Item } from '../../../src/debugger/item';
import type { Session } from '../../../src/debugger/session';

/** The item at a path of names: of a scope, of its items, of their parts. */
export const itemAt = (session: Session, scope: string, ...path: readonly string[]): Item => {
  const scopes = scopesOf(session.machine, session.vcpu(0), session.info);
  let items = scopes.find(({ name }) => name === scope)?.items() ?? [];
  let found: Item | undefined;
  for (const step of path) {
    found = items.find(({ name }) => name === step);
    if (found === undefined) throw new Error(`${step} is not among ${items.map(({ name }) => name).join(', ')}`);
    items = found.children?.() ?? [];
  }
  if (found === undefined) throw new Error('a path is wanted');
  return found;
};

export interface Opened {
  readonly path: string;
  readonly item: Item;
}

const DEEPEST = 8;

/** All items of all scopes, with their parts. */
export const openEverything = (session: Session, vcpu = 0): Opened[] => {
  const opened: Opened[] = [];
  const open = (items: readonly Item[], path: string, depth: number): void => {
    for (const item of items) {
      opened.push({ path: `${path}/${item.name}`, item });
      if (depth < DEEPEST) open(item.children?.() ?? [], `${path}/${item.name}`, depth + 1);
    }
  };
  for (const { name, items } of scopesOf(session.machine, session.vcpu(vcpu), session.info)) open(items(), name, 0);
  return opened;
};
