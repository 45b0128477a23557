/**
 * The core for each vCPU: one module whose accesses to the state are constant offsets, moved to the vCPU's own block.
 * The module's custom section "state" lists where those offsets are (wasm.ts, `encode`).
 */

import { vcpuBase } from './layout';

/** Compiled cores by the bytes they were made from, by vCPU: compiling takes longer than anything else at the start. */
const compiled = new WeakMap<Uint8Array, WebAssembly.Module[]>();

/**
 * @param core the bytes of core.wasm; a module compiled from them serves vCPU 0 alone
 * @throws TypeError for another vCPU and a compiled module
 */
export const coreFor = (core: Uint8Array | WebAssembly.Module, index: number): WebAssembly.Module => {
  if (core instanceof WebAssembly.Module) {
    if (index > 0) throw new TypeError('a machine with several vCPUs needs the bytes of the core, not a module');
    return core;
  }
  const modules = compiled.get(core) ?? [];
  compiled.set(core, modules);
  const [first = new WebAssembly.Module(core as BufferSource)] = modules;
  modules[0] = first;
  const module = modules[index] ?? new WebAssembly.Module(relocate(core, first, vcpuBase(index) - vcpuBase(0)));
  modules[index] = module;
  return module;
};

const relocate = (core: Uint8Array, module: WebAssembly.Module, distance: number): BufferSource => {
  const [section] = WebAssembly.Module.customSections(module, 'state');
  const deltas = new Uint8Array(section ?? new ArrayBuffer(0));
  const bytes = core.slice();
  let place = 0;
  for (let at = 0; at < deltas.length; ) {
    let delta = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = deltas[at++] as number;
      delta |= (byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    place += delta;
    move(bytes, place, distance);
  }
  return bytes;
};

/** Adds to a number of five bytes. */
const move = (bytes: Uint8Array, at: number, distance: number): void => {
  let value = distance;
  for (let i = 0; i < 5; i++) value += ((bytes[at + i] as number) & 127) * 2 ** (7 * i);
  for (let i = 0; i < 5; i++, value = Math.floor(value / 128)) bytes[at + i] = (value % 128) | (i < 4 ? 128 : 0);
};
