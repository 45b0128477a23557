/**
 * Cached translations beside what the tables say now, the guest's own and EPT's behind them: where they differ, a `stale`
 * event. Intel SDM vol. 3, "Delayed Invalidation" and "Caching Translation Information".
 */

import { fromHalves } from '../../x86/address';
import { CR0 } from '../../x86/control-registers';
import { state } from '../core/layout';
import type { Cpu } from './cpu';
import { type EptWalk, eptAccess } from './ept';
import { PageWalk, pageBytes, right } from './page-walk';

interface Translation {
  /** Number of the 4 KiB physical page. */
  readonly page: number;
  readonly rights: number;
}

export class StaleTranslations {
  /** Changes no table: neither accessed nor dirty bits. */
  private readonly look: PageWalk;

  constructor(private readonly cpu: Cpu) {
    this.look = new PageWalk(cpu.state, cpu.physical, cpu.model, true);
  }

  /** Of the guest that runs; a walk that changes nothing either. */
  set ept(walk: EptWalk | undefined) {
    this.look.ept = walk;
  }

  /** A translation that is being used. */
  compare(low: number, high: number, page: number, rights: number): void {
    const fresh = this.freshly(low, high);
    // A dirty bit that software cleared is only noticed at the next walk: that is stale too. Page size is not.
    const mask = COMPARED | (rights & right.dirty) | (~rights & right.eptClean);
    if (fresh !== undefined && fresh.page === page && ((fresh.rights ^ rights) & mask) === 0) return;
    this.cpu.surroundings.emit('stale', () => ({
      linear: fromHalves(low, high),
      cached: BigInt(page) * 4096n,
      cachedRights: rights,
      fresh: fresh === undefined ? null : BigInt(fresh.page) * 4096n,
      freshRights: fresh?.rights ?? null,
    }));
  }

  private freshly(low: number, high: number): Translation | undefined {
    const { look } = this;
    const paged = (this.cpu.state.getU32(state.cr0) & CR0.PG) !== 0;
    if (paged && look.descend(low, high) !== undefined) return undefined;
    const guest = paged ? look.base + (low & (pageBytes(look.rights) - 1) & 0xfffff000) : (low & 0xfffff000) >>> 0;
    const rights = paged ? look.rights : right.write | right.user | right.dirty;
    if (look.ept === undefined) return { page: guest / 4096, rights };
    const host = look.ept.translate(guest, 0);
    return host < 0 ? undefined : { page: host / 4096, rights: rights | eptRights(look.ept) };
  }
}

/** What EPT forbids, beside the guest's own rights. */
export const eptRights = ({ rights, dirty }: EptWalk): number =>
  (rights & eptAccess.read ? 0 : right.eptNoRead) |
  (rights & eptAccess.write ? 0 : right.eptNoWrite) |
  (rights & eptAccess.execute ? 0 : right.eptNoExecute) |
  (dirty ? 0 : right.eptClean);

/** What makes a translation another one. */
const COMPARED =
  right.write | right.user | right.noExecute | right.global | right.eptNoRead | right.eptNoWrite | right.eptNoExecute;
