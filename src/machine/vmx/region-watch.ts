/**
 * Tells of software that reads or writes the region in memory of an active VMCS: what it finds there is what VMCLEAR wrote
 * last, and what it writes is lost when VMCLEAR writes again. Intel SDM vol. 3, "Software Use of Virtual-Machine Control
 * Structures". Regions are watched only while somebody listens.
 */

import type { MachineEvent } from '../core/event';
import type { VirtualCpu } from '../virtual-cpu';
import type { Watches } from '../watches';

type RegionAccess = Pick<MachineEvent & { readonly kind: 'vmcs-memory' }, 'vmcs' | 'address' | 'size' | 'access'>;

const REGION = 4096;

export class RegionWatch {
  private listeners = 0;
  /** Ids of watches by the address of the region. */
  private readonly armed = new Map<bigint, number>();
  private moved = false;

  constructor(
    private readonly cpus: readonly VirtualCpu[],
    private readonly watches: Watches,
    private readonly leave: () => void,
    private readonly tell: (access: RegionAccess) => void,
  ) {}

  /** Until the returned function is called. */
  watch(): () => void {
    this.count(1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.count(-1);
    };
  }

  private count(more: number): void {
    this.listeners += more;
    for (const { vmx } of this.cpus)
      if (vmx !== undefined) vmx.onActive = this.listeners > 0 ? () => this.changed() : undefined;
    this.follow();
  }

  private changed(): void {
    this.moved = true;
    this.leave();
  }

  /** A run begins; the state may be another one. */
  begin(): void {
    if (this.listeners > 0) this.follow();
  }
  /** To be called between steps. */
  settle(): void {
    if (this.moved) this.follow();
  }

  private follow(): void {
    this.moved = false;
    const active = this.listeners === 0 ? [] : this.cpus.flatMap(({ vmx }) => vmx?.slots.active() ?? []);
    const wanted = new Set(active.map(({ address }) => address));
    for (const [vmcs, id] of this.armed) {
      if (wanted.has(vmcs)) continue;
      this.watches.remove(id);
      this.armed.delete(vmcs);
    }
    for (const vmcs of wanted) if (!this.armed.has(vmcs)) this.armed.set(vmcs, this.arm(vmcs));
  }

  private arm(vmcs: bigint): number {
    return this.watches.add({
      space: 'physical',
      address: vmcs,
      size: REGION,
      read: true,
      write: true,
      tell: (access, address, size) => {
        // VMCLEAR and VMPTRLD are the processor's own way there.
        if (this.cpus.some(({ vmx }) => vmx?.activating === true)) return;
        this.tell({ vmcs, address, size, access: access === 'read' ? 'r' : 'w' });
      },
    });
  }
}
