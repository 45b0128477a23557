/** What the guest prints, as text in whole lines; an unfinished line follows a moment later or at the next stop. */

/** Milliseconds: whole lines go out together, unfinished ones when nothing more comes. */
const GATHER = 20;
const UNFINISHED = 150;
const LARGEST = 64 * 1024;
const NEWLINE = 0x0a;

export class GuestText {
  private readonly send: (text: string) => void;
  private readonly decoder = new TextDecoder('utf-8');
  private bytes: number[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (text: string) => void) {
    this.send = send;
  }

  readonly put = (byte: number): void => {
    this.bytes.push(byte);
    if (this.bytes.length >= LARGEST) this.flush();
    else this.timer ??= setTimeout(() => this.lines(), GATHER);
  };

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.emit(this.bytes.length);
  }

  private lines(): void {
    this.timer = undefined;
    this.emit(this.bytes.lastIndexOf(NEWLINE) + 1);
    if (this.bytes.length > 0) this.timer = setTimeout(() => this.flush(), UNFINISHED);
  }

  private emit(count: number): void {
    if (count === 0) return;
    const text = this.decoder.decode(Uint8Array.from(this.bytes.slice(0, count)), { stream: true });
    this.bytes = this.bytes.slice(count);
    if (text !== '') this.send(text);
  }
}
