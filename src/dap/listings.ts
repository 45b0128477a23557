/**
 * Disassembly as sources of the protocol: made when a frame without a source line is shown, and the same under its
 * number from then on, so that breakpoints stay on their instructions. Where the code has changed, a new one is made.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CodeView } from '../debugger/code-view';
import { isCurrent, type Listing, listingAround } from '../debugger/listing';
import type { LinearAddress } from '../x86/address';

interface Spot {
  readonly reference: number;
  /** From 1. */
  readonly line: number;
}

/** The oldest listings are forgotten. */
const MOST = 500;

export class Listings {
  private readonly listings = new Map<number, Listing>();
  private readonly spots = new Map<LinearAddress, Spot>();
  private next = 1;
  /** Told of each new one. */
  onNew: (source: DebugProtocol.Source) => void = () => {};

  /** The line of a listing where an address is; undefined where nothing is mapped. */
  positionOf(view: CodeView, address: LinearAddress): { source: DebugProtocol.Source; line: number } | undefined {
    const spot = this.known(view, address) ?? this.make(view, address);
    return spot === undefined ? undefined : { source: this.source(spot.reference), line: spot.line };
  }

  /** The instruction on a line, or the next one. */
  addressAt(reference: number, line: number): { readonly address: LinearAddress; readonly line: number } | undefined {
    const lines = this.listings.get(reference)?.lines ?? [];
    for (let at = Math.max(1, line); at <= lines.length; at++) {
      const row = lines[at - 1]?.row;
      if (row !== undefined) return { address: row.address, line: at };
    }
    return undefined;
  }

  text(reference: number): string | undefined {
    const listing = this.listings.get(reference);
    return listing?.lines.map(({ text }) => `${text}\n`).join('');
  }

  get sources(): DebugProtocol.Source[] {
    return [...this.listings.keys()].map((reference) => this.source(reference));
  }

  private source(reference: number): DebugProtocol.Source {
    const name = `${this.listings.get(reference)?.name} (disassembly)`;
    return { name, sourceReference: reference, origin: 'disassembly' };
  }

  private known(view: CodeView, address: LinearAddress): Spot | undefined {
    const spot = this.spots.get(address);
    const listing = spot === undefined ? undefined : this.listings.get(spot.reference);
    const row = spot === undefined ? undefined : listing?.lines[spot.line - 1]?.row;
    return listing !== undefined && row !== undefined && isCurrent(view, listing, row) ? spot : undefined;
  }

  private make(view: CodeView, address: LinearAddress): Spot | undefined {
    const listing = listingAround(view, address);
    if (listing === undefined) return undefined;
    const reference = this.next++;
    this.listings.set(reference, listing);
    for (const [index, { row }] of listing.lines.entries())
      if (row !== undefined) this.spots.set(row.address, { reference, line: index + 1 });
    this.dropOldest();
    this.onNew(this.source(reference));
    return this.spots.get(address);
  }

  private dropOldest(): void {
    const [oldest] = this.listings.keys();
    if (this.listings.size <= MOST || oldest === undefined) return;
    for (const { row } of this.listings.get(oldest)?.lines ?? [])
      if (row !== undefined && this.spots.get(row.address)?.reference === oldest) this.spots.delete(row.address);
    this.listings.delete(oldest);
  }
}
