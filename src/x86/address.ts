/**
 * Addresses say in their type where they live. A linear address is what a program uses after segmentation, a
 * guest-physical address is what paging makes of it inside a virtual machine, a physical address selects memory or a
 * device. Mixing them is a type error.
 */

declare const space: unique symbol;

export type LinearAddress = bigint & { readonly [space]: 'linear' };
/** What an EPT translates. @public */
export type GuestPhysicalAddress = bigint & { readonly [space]: 'guest-physical' };
/** Physical addresses of this machine are below 2^52 and therefore exact as numbers too. */
export type PhysicalAddress = bigint & { readonly [space]: 'physical' };

export const linear = (value: bigint): LinearAddress => BigInt.asUintN(64, value) as LinearAddress;
export const physical = (value: bigint | number): PhysicalAddress => BigInt(value) as PhysicalAddress;

/** `0x` and hexadecimal digits, no separators: the one way integers are shown. */
export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** 64 bits of two halves, signed or unsigned. */
export const fromHalves = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
