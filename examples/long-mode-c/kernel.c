/* A 64-bit kernel in C that is interrupted by the timer. Build it with `make`, then debug kernel.elf.

   Try: a breakpoint on `towers` and steps into the recursion: the call stack grows. Step lines of `kernel` while the timer
   ticks: steps pass the handler. A breakpoint in `tick` shows on the call stack whom it has interrupted. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned long long u64;

struct interrupt_frame {
    u64 rip, cs, rflags, rsp, ss;
};

struct gate {
    u16 offset_low, selector;
    u8 stack, type;
    u16 offset_middle;
    u64 offset_high;
};

static struct gate idt[0x21];
static volatile u64 ticks;
static u64 moves;

static inline void out(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline u8 in(u16 port) {
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void put(char c) {
    while (!(in(0x3fd) & 0x20)) {
    }
    out(0x3f8, (u8)c);
}

static void print(const char *text) {
    while (*text) put(*text++);
}

static void print_number(u64 value) {
    if (value >= 10) print_number(value / 10);
    put((char)('0' + value % 10));
}

/* The timer's interrupt, line 0 of the first 8259. */
__attribute__((interrupt)) static void tick(struct interrupt_frame *frame) {
    (void)frame;
    ticks++;
    out(0x20, 0x20);
}

static void set_gate(int vector, void (*handler)(struct interrupt_frame *)) {
    u64 at = (u64)handler;
    struct gate *gate = &idt[vector];
    gate->offset_low = (u16)at;
    gate->offset_middle = (u16)(at >> 16);
    gate->offset_high = at >> 32;
    gate->selector = 0x08;
    gate->type = 0x8e;
}

static void start_timer(void) {
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = {sizeof idt - 1, (u64)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    set_gate(0x20, tick);
    /* Vectors 0x20 to 0x2f, and only line 0. */
    out(0x20, 0x11), out(0x21, 0x20), out(0x21, 4), out(0x21, 1), out(0x21, 0xfe);
    /* Channel 0, 1000 times a second. */
    out(0x43, 0x34), out(0x40, 1193 & 0xff), out(0x40, 1193 >> 8);
    __asm__ volatile("sti");
}

/* The towers of Hanoi: how often a disc is moved. */
static void towers(int discs, int from, int to) {
    if (discs == 0) return;
    int other = 6 - from - to;
    towers(discs - 1, from, other);
    moves++;
    towers(discs - 1, other, to);
}

void kernel(void) {
    start_timer();
    towers(4, 1, 3);
    print("moves: ");
    print_number(moves);
    u64 until = ticks + 3;
    while (ticks < until) __asm__ volatile("hlt");
    print("\nand the timer ticks\n");
    out(0xf4, 0);
}
