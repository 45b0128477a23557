/** A scope: one subject of the machine that a person opens as a tree. Each file beside this one gives one. */

import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { Item } from '../item';
import type { ProgramInfo } from '../program-info';

/** What is looked at. */
export interface Subject {
  readonly machine: Machine;
  readonly vcpu: VirtualCpu;
  readonly info: ProgramInfo;
}

export interface Scope {
  readonly name: string;
  /** Costs more than a look: not to be opened by itself. */
  readonly expensive: boolean;
  /** So many items by index, which `items` gives in pages. */
  readonly count?: number;
  readonly items: (start?: number, count?: number) => Item[];
}

/** A row of the list of scopes. */
export interface ScopeRow {
  readonly name: string;
  readonly expensive?: true;
  /** Whether this machine has it, in its present mode. */
  readonly present?: (subject: Subject) => boolean;
  /** Why it has not, then. */
  readonly absent?: string;
  readonly items: (subject: Subject) => Item[];
}
