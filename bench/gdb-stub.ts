/** QEMU's gdb stub, asked in its own protocol: a guest that has come to its loop, stopped, and stepped. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchGuest, disk } from './guests';

const BOOTED_MS = 2000;

export class GdbStub {
  private socket!: Socket;
  private text = '';
  private waiting: ((packet: string) => void) | undefined;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(guest: BenchGuest): Promise<GdbStub> {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-gdb-'));
    const [file, path] = [join(folder, 'disk.img'), join(folder, 'gdb')];
    // So many rounds that it does not end while it is stepped.
    writeFileSync(file, disk(guest, 2 ** 50));
    const child = spawn(
      'qemu-system-x86_64',
      [
        ...'-accel tcg -cpu max -m 64 -display none -no-reboot -net none -gdb chardev:gdb'.split(' '),
        ...['-chardev', `socket,id=gdb,path=${path},server=on,wait=off`, '-drive', `file=${file},format=raw`],
      ],
      { stdio: 'ignore' },
    );
    const stub = new GdbStub(child, folder);
    await new Promise((resolve) => setTimeout(resolve, BOOTED_MS));
    stub.socket = connect(path);
    stub.socket.setNoDelay(true);
    stub.socket.on('data', (data) => stub.take(data.toString('latin1')));
    await new Promise((resolve) => stub.socket.once('connect', resolve));
    await stub.ask('?');
    await stub.ask('QStartNoAckMode');
    return stub;
  }

  private take(text: string): void {
    this.text += text;
    const packet = /^\+*\$([^#]*)#../.exec(this.text);
    if (packet === null) return;
    this.text = this.text.slice(packet[0].length);
    this.waiting?.(packet[1] ?? '');
  }

  ask(packet: string): Promise<string> {
    const sum = [...packet].reduce((total, letter) => total + letter.charCodeAt(0), 0) & 0xff;
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.socket.write(`$${packet}#${sum.toString(16).padStart(2, '0')}`);
    });
  }

  step(): Promise<string> {
    return this.ask('s');
  }
  /** Registers and the top of the stack: what gdb asks for at a stop. */
  async look(): Promise<void> {
    await this.ask('g');
    await this.ask('m7c00,40');
  }

  end(): void {
    this.socket.destroy();
    this.child.kill();
    rmSync(this.folder, { recursive: true });
  }
}
