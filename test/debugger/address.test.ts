/** Addresses as text: every space and every bit survives the way out and back. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Place, placeText, readPlace } from '../../src/debugger/address';

const places: fc.Arbitrary<Place> = fc.record(
  {
    space: fc.constantFrom('linear', 'guest', 'gpa', 'phys'),
    address: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    vcpu: fc.nat(255),
  },
  { requiredKeys: ['space', 'address'] },
);

test('what is written is read again, exactly', () => {
  fc.assert(
    fc.property(places, (place) => {
      expect(readPlace(placeText(place))).toEqual(place);
    }),
  );
});

test('offsets are added and wrap at 64 bits', () => {
  for (const [text, offset, expected] of [
    ['0xffff800000000001', 0, { space: 'linear', address: 0xffff_8000_0000_0001n }],
    ['18446603336221196289', -1, { space: 'linear', address: 0xffff_8000_0000_0000n }],
    ['0xffffffffffffffff', 2, { space: 'linear', address: 1n }],
    ['0', -8, { space: 'linear', address: 0xffff_ffff_ffff_fff8n }],
    ['-8', 0, { space: 'linear', address: 0xffff_ffff_ffff_fff8n }],
    ['phys:0x1000', 0x10, { space: 'phys', address: 0x1010n }],
    ['cpu1:0x1000', 0, { space: 'linear', address: 0x1000n, vcpu: 1 }],
    ['guest:0x1000', 0, { space: 'guest', address: 0x1000n }],
    [' cpu2:gpa:4096 ', 0, { space: 'gpa', address: 0x1000n, vcpu: 2 }],
  ] as const)
    expect(readPlace(text, offset), text).toEqual(expected);
});

test('what is no address is told in one line', () => {
  for (const text of ['', 'main', '0x', '0x1ffffffffffffffff', 'cpu:0x1', 'virt:0x1', 'phys:', '--1'])
    expect(() => readPlace(text), text).toThrow(
      `${text}: no address; write 0x100000, 1048576, or one with phys:, guest:, gpa: or cpu1: before it`,
    );
  expect(() => readPlace('0x1', Number.NaN)).toThrow('NaN: no offset; a whole number of bytes is wanted');
});
