import { expect, test } from 'vitest';
import { coreBytes } from '../src/machine/core/binary';

test('the core is a WebAssembly module that takes memory and one function and runs or steps', () => {
  const module = new WebAssembly.Module(coreBytes);
  expect(WebAssembly.Module.imports(module).map(({ name }) => name)).toEqual(['memory', 'access']);
  expect(WebAssembly.Module.exports(module).map(({ name }) => name)).toEqual(expect.arrayContaining(['run', 'step']));
});
