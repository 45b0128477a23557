/** What an input from outside does to the machine. */

import { msrs } from '../x86/msrs';
import { gprNames64, segmentNames } from '../x86/registers';
import { state as layout } from './core/layout';
import type { SegmentIndex } from './core/state';
import { writeMsr } from './cpu/msrs';
import type { Device, Register } from './devices/device';
import type { Input } from './history/input-log';
import type { Machine } from './pc';
import { registerLoads } from './register-loads';
import type { VirtualCpu } from './virtual-cpu';
import { editField } from './vmx/edit';

type Setter = (vcpu: VirtualCpu, value: bigint) => void;

/** Every register that can be set from outside, by its name in lower case. MSRs refuse what WRMSR refuses: Fault. */
export const registerSetters: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  ...gprNames64.map((name, n): [string, Setter] => [
    name,
    ({ state }, value) => state.setGpr(n, BigInt.asUintN(64, value)),
  ]),
  ['rip', ({ state }, value) => (state.rip = BigInt.asUintN(64, value))],
  ['rflags', ({ state }, value) => (state.rflags = Number(BigInt.asUintN(32, value)))],
  ...(['cr0', 'cr2', 'cr3', 'cr4', 'efer'] as const).map((name): [string, Setter] => [
    name,
    ({ state, processor }, value) => {
      state[name] = BigInt.asUintN(64, value);
      if (name !== 'cr2') processor.paging.dropEverything();
    },
  ]),
  ...[0, 1, 2, 3, 6, 7].map((n): [string, Setter] => [
    `dr${n}`,
    ({ state, debug }, value) => {
      state.setDr(n, BigInt.asUintN(64, value));
      debug.changed();
    },
  ]),
  ...segmentNames.flatMap((name, n): [string, Setter][] => {
    const set = (field: 'selector' | 'base' | 'limit' | 'access'): [string, Setter] => [
      `${name}.${field}`,
      ({ state }, value) => {
        const segment = state.segment(n as SegmentIndex);
        const next = field === 'base' ? BigInt.asUintN(64, value) : Number(BigInt.asUintN(32, value));
        state.setSegment(n as SegmentIndex, { ...segment, [field]: next });
      },
    ];
    return [set('selector'), set('base'), set('limit'), set('access')];
  }),
  ...(['gdtr', 'idtr'] as const).flatMap((name): [string, Setter][] => [
    [`${name}.base`, ({ state }, base) => (state[name] = { ...state[name], base })],
    [`${name}.limit`, ({ state }, limit) => (state[name] = { ...state[name], limit: Number(limit & 0xffffn) })],
  ]),
  ['cr8', ({ cpu }, value) => cpu.surroundings.apic.setTaskPriority(Number(value & 0xfn))],
  ...Object.entries(msrs).map(([name, { address }]): [string, Setter] => [
    name.toLowerCase(),
    ({ cpu }, value) => writeMsr(cpu, address, BigInt.asUintN(64, value)),
  ]),
]);

/** Everything of a device that has a name. */
export const deviceRegisters = (devices: readonly Device[], name: string): readonly Register[] => {
  const device = devices.find((one) => one.name === name);
  return [...(device?.ports ?? []), ...(device?.window?.registers ?? []), ...(device?.inner ?? [])];
};

const invalidate = ({ cpu }: VirtualCpu, linear: bigint | undefined, pcid: number | undefined): void => {
  if (linear === undefined) cpu.paging.dropEverything();
  else if (pcid === undefined) cpu.paging.dropPage(linear);
  else cpu.paging.dropByPcid(0, pcid, linear);
};

/** @throws Fault what an MSR does not take; then nothing has changed */
export const applyInput = (machine: Machine, input: Input): void => {
  const vcpu = (index: number) => machine.cpus[index] as VirtualCpu;
  switch (input.kind) {
    case 'serial':
      machine.devices.com1.receive(Uint8Array.from(input.bytes));
      break;
    case 'keys':
      machine.devices.keyboard.scancodes(input.scancodes);
      break;
    case 'text':
      machine.devices.keyboard.type(input.text);
      break;
    case 'register':
      registerSetters.get(input.name)?.(vcpu(input.vcpu), input.value);
      vcpu(input.vcpu).engine.settle();
      break;
    case 'load':
      registerLoads.get(input.name)?.(vcpu(input.vcpu), input.value);
      vcpu(input.vcpu).engine.settle();
      break;
    case 'device': {
      const register = deviceRegisters(machine.devices.all, input.device).find(({ name }) => name === input.register);
      register?.write?.(input.value);
      machine.touched();
      break;
    }
    case 'invalidate':
      invalidate(vcpu(input.vcpu), input.linear, input.pcid);
      break;
    case 'vmcs': {
      const { vmx, engine } = vcpu(input.vcpu);
      if (vmx !== undefined) editField(vmx, input.address, input.field, input.value);
      engine.settle();
      break;
    }
    case 'memory':
      machine.physical.pokeBytes(input.physical, Uint8Array.from(input.bytes));
      break;
    case 'interrupt':
      // An edge; the level stays, because the 8259 takes a request back that ends before it is acknowledged.
      machine.devices.interruptLine(input.line, false);
      machine.devices.interruptLine(input.line, true);
      break;
    case 'nmi':
      vcpu(input.vcpu).state.setU32(layout.pendingNmi, 1);
      break;
    case 'init':
      vcpu(input.vcpu).state.setU32(layout.pendingInit, 1);
      break;
    case 'startup':
      machine.boundaries.startUp(input.vcpu, input.vector);
      break;
    case 'only':
      machine.turns.restrict(input.vcpu);
      break;
    case 'stop':
      machine.turns.stop(input.vcpu);
      break;
    case 'reset':
      machine.reset();
  }
};
