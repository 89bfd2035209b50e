/* gh200-dsd: where everything of the machine is. Made from its layout: do not edit. */
#ifndef GH200_DSD_H
#define GH200_DSD_H

/* the machine */
#define GH200_DSD_CPUS 4u
#define GH200_DSD_MEMORY_BYTES 0x100000000ull
#define GH200_DSD_DOMAINS 9u
#define GH200_DSD_WINDOWS_BYTES 0x4000000000ull
#define GH200_DSD_WINDOWS_ALIGNED_BYTES 0x8000000000ull

/* bus numbers of expanders */
#define GH200_DSD_BUS_PCIE1 0x01u

/* ports: the bus behind each, and its 64-bit window */
#define GH200_DSD_PORT_GPU_PORT_SECONDARY 0x02u
#define GH200_DSD_PORT_GPU_PORT_WINDOW_BYTES 0x4000000000ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define GH200_DSD_DEVICE_GPU0_BDF 0x0200u
#define GH200_DSD_DEVICE_GPU0_FIRST_DOMAIN 1u
#define GH200_DSD_DEVICE_GPU0_DOMAINS 8u
#define GH200_DSD_DEVICE_GPU0_MEMORY_BASE 0x8000000000ull

/* the number that a Linux guest gives to each proximity domain */
#define GH200_DSD_NODE_OF_DOMAIN_0 0u
#define GH200_DSD_NODE_OF_DOMAIN_1 7u
#define GH200_DSD_NODE_OF_DOMAIN_2 5u
#define GH200_DSD_NODE_OF_DOMAIN_3 4u
#define GH200_DSD_NODE_OF_DOMAIN_4 3u
#define GH200_DSD_NODE_OF_DOMAIN_5 2u
#define GH200_DSD_NODE_OF_DOMAIN_6 1u
#define GH200_DSD_NODE_OF_DOMAIN_7 8u
#define GH200_DSD_NODE_OF_DOMAIN_8 6u

#endif /* GH200_DSD_H */
