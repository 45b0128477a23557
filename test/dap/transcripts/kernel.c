/*
 * A small kernel for the transcript of a session in C. kernel.elf was made from it with
 *   gcc -g -O0 -ffreestanding -fno-omit-frame-pointer -fno-pic -fcf-protection=none -mno-red-zone \
 *     -fdebug-prefix-map=$PWD=/src -nostdlib -static -Wl,--build-id=none,-N,-Ttext=0x200000 kernel.c -o kernel.elf
 */

static volatile unsigned total;

static void put(char letter) {
  __asm__ volatile("outb %0, $0xe9" : : "a"(letter));
}

static unsigned triangle(unsigned side) {
  unsigned sum = 0;
  for (unsigned n = 1; n <= side; n++)
    sum += n;
  return sum;
}

void _start(void) {
  total = triangle(4);
  put('0' + total / 10);
  put('0' + total % 10);
  __asm__ volatile("mov $3, %%al; outb %%al, $0xf4" : : : "rax");
}
