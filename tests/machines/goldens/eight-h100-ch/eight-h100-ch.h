/* eight-h100-ch: where everything of the machine is. Made from its layout: do not edit. */
#ifndef EIGHT_H100_CH_H
#define EIGHT_H100_CH_H

/* the machine */
#define EIGHT_H100_CH_CPUS 16u
#define EIGHT_H100_CH_MEMORY_BYTES 0x400000000ull
#define EIGHT_H100_CH_DOMAINS 2u
#define EIGHT_H100_CH_WINDOWS_BYTES 0x0ull
#define EIGHT_H100_CH_WINDOWS_ALIGNED_BYTES 0x0ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define EIGHT_H100_CH_DEVICE_GPU0_BDF 0x0008u
#define EIGHT_H100_CH_DEVICE_GPU1_BDF 0x0010u
#define EIGHT_H100_CH_DEVICE_GPU2_BDF 0x0018u
#define EIGHT_H100_CH_DEVICE_GPU3_BDF 0x0020u
#define EIGHT_H100_CH_DEVICE_GPU4_BDF 0x0008u
#define EIGHT_H100_CH_DEVICE_GPU5_BDF 0x0010u
#define EIGHT_H100_CH_DEVICE_GPU6_BDF 0x0018u
#define EIGHT_H100_CH_DEVICE_GPU7_BDF 0x0020u

#endif /* EIGHT_H100_CH_H */
