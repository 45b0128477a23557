/*
 * Runs machine code on the processor at hand. Reads a batch from stdin: a header, the initial data pages, and cases;
 * writes what each case left to stdout. A case ends by its INT3 or by a fault; either is a signal, whose handler notes
 * the registers and goes on with the next case by returning into it with all registers set.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x10000000ul
#define DATA_SIZE 8192

struct header {
  uint32_t cases;
  uint32_t bits; /* 64, or 32 for the 32-bit code segment */
  uint64_t data; /* where the data pages are to be */
};

struct input {
  uint8_t code[128];
  uint64_t gpr[16];
  uint64_t flags;
};

struct output {
  uint64_t gpr[16];
  uint64_t flags;
  uint64_t rip;
  uint64_t cr2;
  uint32_t vector;
  uint32_t sum;
};

static struct header header;
static struct input *inputs;
static struct output *outputs;
static uint32_t current;
static uint8_t template[DATA_SIZE];
static uint32_t *data;
static uint16_t code_selector;

/* In the order of the encodings. */
static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* Of the middle, where most accesses go; of all when something else changed. */
static uint32_t checksum(void) {
  const size_t words = DATA_SIZE / 4, from = words / 2 - 128, to = words / 2 + 128;
  const int same = !memcmp(data, template, from * 4) && !memcmp(data + to, template + to * 4, DATA_SIZE - to * 4);
  uint32_t sum = 0x811c9dc5u;
  for (size_t n = same ? from : 0; n < (same ? to : words); n++) sum = (sum ^ data[n]) * 0x01000193u;
  return sum;
}

static void take(greg_t *g, struct output *out) {
  for (int i = 0; i < 16; i++) out->gpr[i] = g[registers[i]];
  out->flags = g[REG_EFL];
  out->rip = g[REG_RIP];
  out->vector = g[REG_TRAPNO];
  out->cr2 = out->vector == 14 ? g[REG_CR2] : 0;
  out->sum = checksum();
}

static void finish(void) {
  fwrite(outputs, sizeof *outputs, header.cases, stdout);
  fflush(stdout);
  _exit(0);
}

static void give(greg_t *g, const struct input *in) {
  memcpy(data, template, DATA_SIZE);
  for (int i = 0; i < 16; i++) g[registers[i]] = in->gpr[i];
  g[REG_EFL] = in->flags;
  g[REG_RIP] = CODE + (in - inputs) * sizeof in->code;
  /* CS, GS, FS, SS */
  g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffull) | code_selector;
}

static void handler(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)info;
  /* NT, AC and ID stay as the case left them, and sigreturn would give them to the next one. */
  __asm__ volatile("pushfq; andq $~0x244000, (%%rsp); popfq" ::: "memory", "cc");
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  /* The first signal only starts the cases. */
  static int started;
  if (started) take(g, &outputs[current++]);
  started = 1;
  if (current == header.cases) finish();
  give(g, &inputs[current]);
}

static void *map(uintptr_t address, size_t size, int protection) {
  void *at = mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != (void *)address) {
    fprintf(stderr, "cannot map 0x%lx\n", (unsigned long)address);
    exit(3);
  }
  return at;
}

static void get(void *to, size_t size) {
  if (fread(to, 1, size, stdin) != size) {
    fprintf(stderr, "short input\n");
    exit(3);
  }
}

int main(void) {
  get(&header, sizeof header);
  get(template, sizeof template);
  inputs = malloc(header.cases * sizeof *inputs);
  outputs = calloc(header.cases, sizeof *outputs);
  get(inputs, header.cases * sizeof *inputs);
  code_selector = header.bits == 32 ? 0x23 : 0x33;

  size_t size = (header.cases * sizeof inputs->code + 8191) & ~4095ul;
  uint8_t *code = map(CODE, size, PROT_READ | PROT_WRITE | PROT_EXEC);
  memset(code, 0xcc, size);
  for (uint32_t i = 0; i < header.cases; i++) memcpy(code + i * sizeof inputs->code, inputs[i].code, sizeof inputs->code);
  mprotect(code, size, PROT_READ | PROT_EXEC);
  data = map(header.data, DATA_SIZE, PROT_READ | PROT_WRITE);

  static uint8_t stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  /* Data segments matter in 32-bit code only. */
  __asm__ volatile("mov %0, %%ds; mov %0, %%es" ::"r"(0x2b));
  raise(SIGTRAP);
  return 3;
}
