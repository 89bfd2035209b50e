/* smallest: where everything of the machine is. Made from its layout: do not edit. */
#ifndef SMALLEST_H
#define SMALLEST_H

/* the machine */
#define SMALLEST_CPUS 1u
#define SMALLEST_MEMORY_BYTES 0x40000000ull
#define SMALLEST_DOMAINS 1u
#define SMALLEST_WINDOWS_BYTES 0x100000ull
#define SMALLEST_WINDOWS_ALIGNED_BYTES 0x80000000ull

/* ports: the bus behind each, and its 64-bit window */
#define SMALLEST_PORT_RP1_SECONDARY 0x01u
#define SMALLEST_PORT_RP1_WINDOW_BYTES 0x100000ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define SMALLEST_DEVICE_VF0_BDF 0x0100u

/* the number that a Linux guest gives to each proximity domain */
#define SMALLEST_NODE_OF_DOMAIN_0 0u

#endif /* SMALLEST_H */
