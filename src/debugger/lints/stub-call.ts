/** The first CALL of the code at HOST_RIP, and where the stack is there. System V ABI, "The Stack Frame": a multiple of 16. */

import { FlowControl } from 'iced-x86';
import { LONG, modeOf } from '../../machine/cpu/mode';
import { type LinearAddress, linear } from '../../x86/address';
import type { CodeView } from '../code-view';
import { peekLinear } from '../guest-memory';
import { readInstructions } from '../instruction';
import { ProgramInfo } from '../program-info';
import { stackDepth } from '../stack-depth';
import type { Handling } from './handling';

/** Bytes of a stub that are looked through. */
const REACH = 512n;
const ALIGNED = 16n;

const nobody = new ProgramInfo({
  name: '',
  segments: [],
  start: { kind: 'direct', bits: 64, entry: linear(0n) },
  symbols: [],
  lines: [],
});

/** RSP at the call where it is misaligned; undefined where it is not, or where that cannot be told. */
export const misalignedCall = ({ vcpu }: Handling): bigint | undefined => {
  const { state, cpu, vmx } = vcpu;
  const vmcs = vmx?.current;
  if (vmcs === undefined || modeOf(state) !== LONG) return undefined;
  const start = linear(vmcs.get('HOST_RIP'));
  const view: CodeView = { read: (at, length) => peekLinear(cpu, at, length), bits: 64, info: nobody, base: 0n };
  const call = firstCall(view, start);
  const depth = call === undefined ? undefined : stackDepth(view, start, call)?.rsp;
  if (depth === undefined) return undefined;
  const rsp = BigInt.asUintN(64, vmcs.get('HOST_RSP') - BigInt(depth));
  return rsp % ALIGNED === 0n ? undefined : rsp;
};

const goesOn: ReadonlySet<FlowControl> = new Set([FlowControl.Next, FlowControl.ConditionalBranch]);

const firstCall = (view: CodeView, start: LinearAddress): LinearAddress | undefined =>
  readInstructions(view, (reader) => {
    for (let at = start; at - start < REACH; ) {
      const instruction = reader.at(at);
      if (instruction === undefined || instruction.isInvalid) return undefined;
      if (instruction.isCallNear || instruction.isCallNearIndirect) return at;
      if (!goesOn.has(instruction.flowControl)) return undefined;
      at = linear(at + BigInt(instruction.length));
    }
    return undefined;
  });
