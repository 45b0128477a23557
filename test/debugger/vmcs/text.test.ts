/** The text form of a VMCS: what is written is read back, and what cannot be read is told by line. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readVmcsText, writeVmcsText } from '../../../src/debugger/vmcs/text';
import { type FieldName, fieldNames, vmcsFields, widthOf } from '../../../src/x86/vmx/fields';

test('what is written is read back, field by field', () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { minLength: 200, maxLength: 200 }),
      (values) => {
        const of = (name: FieldName): bigint => {
          const width = widthOf(vmcsFields[name].encoding);
          return BigInt.asUintN(width === 'natural' ? 64 : width, values[fieldNames.indexOf(name) % 200] as bigint);
        };
        const read = readVmcsText(writeVmcsText({ get: of }, ['a comment']).join('\n'));
        expect(read.problems).toEqual([]);
        expect([...read.fields]).toEqual(fieldNames.map((name) => [name, of(name)]));
      },
    ),
    { numRuns: 20 },
  );
});

test('names in either case, encodings, notations and comments', () => {
  const { fields, lines, problems } = readVmcsText(
    '# from a log\n\nguest_rip = 10_0000h ; start\n0x6800: 0x80000031\r\nGUEST_ES_SELECTOR=16\n',
  );
  expect(problems).toEqual([]);
  expect([...fields]).toEqual([
    ['GUEST_RIP', 0x10_0000n],
    ['GUEST_CR0', 0x8000_0031n],
    ['GUEST_ES_SELECTOR', 16n],
  ]);
  expect(lines.get('GUEST_CR0')).toBe(4);
});

test('what cannot be read is told with its line and what would be right', () => {
  const { fields, problems } = readVmcsText('GUEST_RPI = 1\nGUEST_RIP = abc\nGUEST_RIP\nGUEST_ES_SELECTOR = 0x10000\n');
  expect([...fields]).toEqual([]);
  expect(problems.map(({ line, says }) => `${line} ${says}`)).toEqual([
    '1 GUEST_RPI: no field of a VMCS; did you mean GUEST_RIP?',
    '2 abc: no number; write 0x1f, 1fh or 31',
    '3 no line of the form FIELD = VALUE',
    '4 0x10000 does not fit into the 16 bits',
  ]);
});

test('of a field that stands there twice the last counts, and is told', () => {
  const { fields, problems } = readVmcsText('HOST_RIP = 1\nHOST_RIP = 2');
  expect(fields.get('HOST_RIP')).toBe(2n);
  expect(problems).toMatchObject([{ line: 2, says: 'HOST_RIP stands on line 1 already' }]);
});
