/**
 * Exceptions as the core raises and delivers them: what its numbers mean as a `Fault`, and the usual delivery in 64-bit
 * mode, which core/transfers.ts makes without one.
 */

import { type Architecture, NO_EXCEPTION } from './architecture';
import type { CodeFetch } from './code-fetch';
import type { DataAccess } from './data-access';
import { Fault } from './fault';
import type { Handlers } from './handlers';
import { access, state } from './layout';
import { throughStack } from './stack-reference';
import { type CpuState, TR } from './state';

const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
/** Exceptions whose delivery means more than the usual. */
const slowVectors: ReadonlySet<number> = new Set([1, 2, 8]);

/** The core's routine: 0 where it declined, with nothing changed. */
export type Deliver = (vector: number, errorCode: number, software: number, resume: number) => number;

export class CoreDelivery {
  constructor(
    private readonly cpu: CpuState,
    private readonly deliver: Deliver,
    private readonly architecture: Architecture,
    private readonly data: DataAccess,
    private readonly fetch: CodeFetch,
    private readonly handlers: Handlers,
  ) {}

  /** Delivers what the core has just raised; false where that is more than the usual. */
  make(): boolean {
    const { cpu, architecture, data } = this;
    const own = cpu.getI32(state.faultVector);
    if (own < 0 && !data.refusedByTranslation) return false;
    const vector = own < 0 ? architecture.faultVector : own;
    // A non-canonical address may be a stack fault instead: `refusedAccess` tells.
    if (slowVectors.has(vector) || (own < 0 && vector === GENERAL_PROTECTION)) return false;
    const code = own < 0 ? architecture.faultCode : cpu.getI32(state.faultCode);
    if (vector >= NO_EXCEPTION || !architecture.mayDeliver(vector, code)) return false;
    if (this.deliver(vector, code, 0, 1) === 0) return false;
    if (vector === PAGE_FAULT) cpu.setHalves(state.cr2, architecture.faultLow, architecture.faultHigh);
    return true;
  }

  /** What the core has raised. */
  fault(): Fault {
    const { cpu } = this;
    const vector = cpu.getI32(state.faultVector);
    if (vector < 0) return this.refusedAccess(this.data.fault);
    const code = cpu.getI32(state.faultCode);
    const reason = this.handlers.reasons[cpu.getU32(state.faultReason)] ?? 'unknown';
    cpu.setU32(state.faultVector, 0xffffffff);
    return this.architecture.refusal(vector, code < 0 ? undefined : code, reason);
  }

  /** A non-canonical address is #SS when the access went through SS. */
  private refusedAccess(fault: Fault): Fault {
    const { cpu } = this;
    if (fault.why.rule !== 'linear.canonical' || fault.vector !== GENERAL_PROTECTION) return fault;
    const instruction = this.fetch.decode(cpu.rip);
    const stack = throughStack(instruction, cpu.getU64(state.accessAddress), (register) => cpu.gpr(register));
    instruction.free();
    return stack ? new Fault(STACK_FAULT, fault.why, fault.errorCode) : fault;
  }

  /** After a transfer that the core's routines declined: what they read and write gets into the fast table. */
  prime(vector: number | undefined): void {
    const { cpu, data } = this;
    if (!this.fetch.isLong || cpu.getU32(state.observed)) return;
    const table = cpu.getU64(state.idtrBase);
    if (vector !== undefined) data.prime(table + BigInt(vector * 16), access.read);
    data.prime(cpu.getU64(state.gdtrBase), access.read);
    const tss = cpu.segmentBase(TR) + 4n;
    data.prime(tss, access.read);
    const stack = cpu.cpl === 0 ? cpu.rsp : data.peek(tss);
    if (stack === undefined) return;
    data.prime(stack - 8n, access.write);
    data.prime(stack, access.read);
  }
}
