/* A kernel in C, started as the Multiboot specification says: it prints what the boot loader told it, on the serial
   port, and ends the machine. Build it with `make`, then run kernel.elf.

   Try: put a breakpoint on `kernel`, look at `information` in memory, and give a module on the command line. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct information {
    u32 flags, mem_lower, mem_upper, boot_device;
    const char *command_line;
    u32 module_count;
    const struct module *modules;
    u32 symbols[4];
    u32 map_length;
    const struct range *map;
};

struct module {
    const u8 *start, *end;
    const char *command_line;
    u32 reserved;
};

struct range {
    u32 size; /* of the rest: the next range lies `size` bytes behind this field */
    u64 base, length;
    u32 type; /* 1: memory that we may use */
} __attribute__((packed));

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

static void print_hex(u64 value) {
    print("0x");
    int digit = 15;
    while (digit > 0 && !(value >> (digit * 4))) digit--;
    for (; digit >= 0; digit--) put("0123456789abcdef"[(value >> (digit * 4)) & 15]);
}

static void print_modules(const struct information *information) {
    for (u32 i = 0; i < information->module_count; i++) {
        const struct module *module = &information->modules[i];
        print("module: ");
        print(module->command_line);
        print(", ");
        print_hex((u64)(module->end - module->start));
        print(" bytes\n");
    }
}

static void print_map(const struct information *information) {
    const u8 *at = (const u8 *)information->map;
    const u8 *end = at + information->map_length;
    while (at < end) {
        const struct range *range = (const struct range *)at;
        if (range->type == 1) {
            print("memory: ");
            print_hex(range->base);
            print(" + ");
            print_hex(range->length);
            print("\n");
        }
        at += range->size + 4;
    }
}

void kernel(u32 magic, const struct information *information) {
    if (magic != 0x2badb002) out(0xf4, 1);
    print("Hello from C.\n");
    if (information->flags & (1 << 2)) {
        print("command line: ");
        print(information->command_line);
        print("\n");
    }
    if (information->flags & (1 << 3)) print_modules(information);
    if (information->flags & (1 << 6)) print_map(information);
    out(0xf4, 0);
}
