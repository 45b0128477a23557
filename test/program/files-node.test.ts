import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DiskFiles } from '../../src/cli/files-node';
import { BadInput } from '../../src/program/program';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ringside-'));
  await writeFile(join(folder, 'a.bin'), Uint8Array.of(1, 2, 3));
});
afterAll(() => rm(folder, { recursive: true }));

const refusal = async (path: string): Promise<string> => {
  const error = await new DiskFiles().read(path).then(
    () => new Error('was read'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(BadInput);
  return error.message;
};

test('a file on disk is read as its bytes', async () => {
  expect(await new DiskFiles().read(join(folder, 'a.bin'))).toEqual(Uint8Array.of(1, 2, 3));
});

test('a missing file, a directory and a device are one line each', async () => {
  expect(await refusal(join(folder, 'b.bin'))).toBe(`${join(folder, 'b.bin')}: no such file`);
  expect(await refusal(folder)).toBe(`${folder}: is a directory; name a file in it`);
  expect(await refusal(join(folder, 'a.bin', 'c'))).toMatch(/: no such file: a part of the path is not a directory$/);
  expect(await refusal('/dev/zero')).toBe('/dev/zero: is a device; name a file');
});

test('a path is resolved beside the file that names it', () => {
  expect(new DiskFiles().resolve('/a/b/c.asm', '../d.bin')).toBe('/a/d.bin');
});
