/** A processor from a file: the spellings of the tools, what is assumed, and one line for each line that cannot be read. */

import { describe, expect, test } from 'vitest';
import { makeModel } from '../../src/machine/cpu/model';
import { readCpuFile } from '../../src/program/cpu-file';
import { processorNamed } from '../../src/program/processor';
import type { Files } from '../../src/program/program';
import { haswell } from '../../src/x86/presets/haswell';

const BASIC = 0x00da_0400_0000_0010n;

describe('one MSR in the spellings of', () => {
  test.each([
    ['a list with addresses', '0x480: 0xda040000000010'],
    ['a list with names', 'IA32_VMX_BASIC = 0x00da_0400_0000_0010'],
    ['the Linux names', 'MSR_IA32_VMX_BASIC: da040000000010'],
    ['two columns', '0x00000480 0x00da040000000010'],
    ['rdmsr in a transcript', '# rdmsr -x 0x480\nda040000000010'],
    ['rdmsr of all processors', '$ sudo rdmsr -a 0x480\nda040000000010\nda040000000010'],
    ['AIDA64', 'MSR 00000480: 00DA-0400-0000-0010'],
    ['the log of VirtualBox', '00:00:04.288710 HM: MSR_IA32_VMX_BASIC                = 0xda040000000010'],
  ])('%s', (_, text) => {
    const preset = readCpuFile(`; my processor\n\n${text}\n`, './cpu.txt');
    expect(preset.vmx?.IA32_VMX_BASIC).toBe(BASIC);
    expect(preset.assumed).not.toHaveProperty('IA32_VMX_BASIC');
    expect(preset.vmx?.IA32_VMX_MISC).toBe(haswell.vmx?.IA32_VMX_MISC);
    expect(preset.assumed?.IA32_VMX_MISC).toBe('not in the file: as on haswell');
    expect(preset.source).toBe(
      './cpu.txt; without CPUID leaves: those of haswell; without CPUID leaf 16H: the frequency of haswell',
    );
  });
});

const CPUID = `CPU 0:
   0x00000000 0x00: eax=0x00000016 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
   0x00000001 0x00: eax=0x000506e3 ebx=0x00100800 ecx=0x7ffafbbf edx=0xbfebfbff
   0x00000016 0x00: eax=0x00000dac ebx=0x00000f3c ecx=0x00000064 edx=0x00000000
   0x80000000 0x00: eax=0x80000008 ebx=0x00000000 ecx=0x00000000 edx=0x00000000
   0x80000001 0x00: eax=0x00000000 ebx=0x00000000 ecx=0x00000121 edx=0x2c100800
   0x80000008 0x00: eax=0x0000302e ebx=0x00000000 ecx=0x00000000 edx=0x00000000
CPU 1:
   0x00000001 0x00: eax=0x000506e3 ebx=0x02100800 ecx=0x7ffafbbf edx=0xbfebfbff
`;

test('leaves as `cpuid -r` and AIDA64 print them; of several processors the first counts', () => {
  const model = makeModel(readCpuFile(CPUID, 'cpu.txt'));
  expect([model.physicalBits, model.frequency, model.cpuid(1, 0).eax]).toEqual([46, 3.5e9, 0x506e3]);
  expect(model.has('vmx')).toBe(true);
  const dump = readCpuFile('CPUID 00000004: 1C004122-01C0003F-0000003F-00000000 [SL 01]', 'cpu.txt');
  expect(dump.leaves).toContainEqual([4, 1, 0x1c004122, 0x01c0003f, 0x3f, 0]);
});

test('what is missing is said', () => {
  const { source } = readCpuFile(CPUID.replace(/.*0x(80000008|00000000|00000016) 0x00:.*\n/g, ''), 'cpu.txt');
  expect(source.split('; ')).toEqual([
    'cpu.txt',
    'without CPUID leaf 0H: 1H is the last',
    'without CPUID leaf 80000008H: 36 physical bits',
    'without CPUID leaf 16H: the frequency of haswell',
  ]);
  const model = makeModel(readCpuFile('0x00000001 0x00: eax=0x1 ebx=0x0 ecx=0x20 edx=0x0', 'cpu.txt'));
  expect(model.physicalBits).toBe(36);
});

test('one line for each line that cannot be read', () => {
  const text = 'IA32_VMX_BASIC = 0x10\nhello\nIA32_VMX_BASICS = 1\n0x480: 0x11\n0x481: 0x12345678901234567\n';
  expect(() => readCpuFile(text, 'cpu.txt')).toThrow(
    [
      "cpu.txt:2: 'hello' is neither MSR = value, such as 0x480 = 0xda040000000010, nor a line of cpuid -r",
      'cpu.txt:3: IA32_VMX_BASICS: no such capability MSR',
      'cpu.txt:4: IA32_VMX_BASIC is 0x10 in line 1 and 0x11 here',
      'cpu.txt:5: IA32_VMX_PINBASED_CTLS has 64 bits; 0x12345678901234567 has more',
    ].join('\n'),
  );
  expect(() => readCpuFile('# nothing\n', 'cpu.txt')).toThrow('cpu.txt: neither a VMX capability MSR nor a CPUID leaf');
});

test('a processor by name or as a file', async () => {
  const files: Files = { read: async () => new TextEncoder().encode('0x480 = 0x12'), resolve: (_, path) => path };
  expect((await processorNamed(files, 'nehalem')).name).toBe('nehalem');
  expect((await processorNamed(files, './mine.txt')).vmx?.IA32_VMX_BASIC).toBe(0x12n);
  await expect(processorNamed(files, 'pentium')).rejects.toThrow('pentium: no such processor model; one of haswell, ');
});
