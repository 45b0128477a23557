/** References to places in sources, for values that point at code and for symbols: one number for one address. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { BadInput } from '../program/program';
import type { LinearAddress } from '../x86/address';
import type { Context } from './context';
import { positionOf } from './positions';

export class Locations {
  private readonly numbers = new Map<LinearAddress, number>();
  private readonly addresses = new Map<number, LinearAddress>();
  private next = 1;

  reference(address: LinearAddress): number {
    let number = this.numbers.get(address);
    if (number === undefined) {
      number = this.next++;
      this.numbers.set(address, number);
      this.addresses.set(number, address);
      this.dropOldest();
    }
    return number;
  }

  address(reference: number): LinearAddress | undefined {
    return this.addresses.get(reference);
  }

  private dropOldest(): void {
    const [oldest] = this.numbers;
    if (this.numbers.size <= MOST || oldest === undefined) return;
    this.numbers.delete(oldest[0]);
    this.addresses.delete(oldest[1]);
  }
}

const MOST = 10_000;

/** Is it likely that the client can be led there? */
export const hasLocation = ({ session: { info } }: Context, address: LinearAddress): boolean =>
  info.lines.at(address) !== null || info.nameOf(address) !== undefined;

export const locationReference = (context: Context, address: LinearAddress): number =>
  context.locations.reference(address);

/** The body of the answer to `locations`. @throws BadInput */
export const locationOf = (
  context: Context,
  { locationReference: reference }: DebugProtocol.LocationsArguments,
): DebugProtocol.LocationsResponse['body'] => {
  const address = context.locations.address(reference);
  if (address === undefined) throw new BadInput(`there is no location ${reference}; it belongs to a stop that is gone`);
  const position = positionOf(context, address);
  if (position === undefined) throw new BadInput('nothing is mapped there any more');
  return position;
};
