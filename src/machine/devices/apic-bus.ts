/**
 * The messages that local APICs and the I/O APIC send each other: who is meant (Intel SDM vol. 3, "Determining IPI
 * Destination"), and the broadcast at the end of a level-triggered interrupt.
 */

/** By the three bits of ICR, LVT and redirection entries. */
export const deliveryModes = [
  'fixed',
  'lowest-priority',
  'smi',
  'reserved',
  'nmi',
  'init',
  'startup',
  'external',
] as const;
export type DeliveryMode = (typeof deliveryModes)[number];

/** `id` is 8 bits wide in messages of the I/O APIC and of xAPIC mode, 32 bits in x2APIC mode. */
export type Destination =
  | { readonly to: 'physical' | 'logical'; readonly id: number }
  | { readonly to: 'all' }
  | { readonly to: 'all-but'; readonly id: number };

/** The destination that an ICR or redirection entry names; all ones in the field mean everybody. */
export function destinationOf(entry: number, id: number, everybody: number): Destination {
  if (id === everybody) return { to: 'all' };
  return { to: entry & 0x800 ? 'logical' : 'physical', id };
}

export interface InterruptMessage {
  readonly mode: DeliveryMode;
  readonly vector: number;
  /** Level-triggered: its end is broadcast to the I/O APIC. */
  readonly level: boolean;
  readonly destination: Destination;
}

interface Receiver {
  isAddressedBy(destination: Destination): boolean;
  /** Whether it takes part in lowest-priority arbitration, and its processor priority. */
  canArbitrate(): boolean;
  priority(): number;
  accept(message: InterruptMessage): void;
}

export class ApicBus {
  readonly #receivers: Receiver[] = [];
  readonly #endListeners: ((vector: number) => void)[] = [];

  attach(receiver: Receiver): void {
    this.#receivers.push(receiver);
  }

  /** @param listener hears the vector of each level-triggered interrupt that ends. */
  onEndOfInterrupt(listener: (vector: number) => void): void {
    this.#endListeners.push(listener);
  }

  send(message: InterruptMessage): void {
    const addressed = this.#receivers.filter((receiver) => receiver.isAddressedBy(message.destination));
    const receivers = message.mode === 'lowest-priority' ? arbitrate(addressed) : addressed;
    for (const receiver of receivers) receiver.accept(message);
  }

  endOfInterrupt(vector: number): void {
    for (const listener of this.#endListeners) listener(vector);
  }
}

/** The receiver of the lowest processor priority; of equals the first, so that every run is the same. */
function arbitrate(receivers: readonly Receiver[]): readonly Receiver[] {
  const [first, ...others] = receivers.filter((receiver) => receiver.canArbitrate());
  if (!first) return [];
  return [others.reduce((lowest, receiver) => (receiver.priority() < lowest.priority() ? receiver : lowest), first)];
}
