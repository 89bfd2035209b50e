/* gpu-switch: where everything of the machine is. Made from its layout: do not edit. */
#ifndef GPU_SWITCH_H
#define GPU_SWITCH_H

/* the machine */
#define GPU_SWITCH_CPUS 8u
#define GPU_SWITCH_MEMORY_BYTES 0x400000000ull
#define GPU_SWITCH_DOMAINS 1u
#define GPU_SWITCH_WINDOWS_BYTES 0x10000000000ull
#define GPU_SWITCH_WINDOWS_ALIGNED_BYTES 0x20000000000ull

/* bus numbers of expanders */
#define GPU_SWITCH_BUS_SOCKET0 0x20u

/* ports: the bus behind each, and its 64-bit window */
#define GPU_SWITCH_PORT_UPLINK_SECONDARY 0x21u
#define GPU_SWITCH_PORT_UPLINK_WINDOW_BYTES 0x10000000000ull
#define GPU_SWITCH_PORT_GPU_PORT0_SECONDARY 0x23u
#define GPU_SWITCH_PORT_GPU_PORT0_WINDOW_BYTES 0x4000000000ull
#define GPU_SWITCH_PORT_GPU_PORT1_SECONDARY 0x24u
#define GPU_SWITCH_PORT_GPU_PORT1_WINDOW_BYTES 0x4000000000ull
#define GPU_SWITCH_PORT_NIC_PORT_SECONDARY 0x25u
#define GPU_SWITCH_PORT_NIC_PORT_WINDOW_BYTES 0x100000ull

/* switches: the bus inside each */
#define GPU_SWITCH_SWITCH_SWITCH0_BUS 0x22u

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define GPU_SWITCH_DEVICE_GPU0_BDF 0x2300u
#define GPU_SWITCH_DEVICE_GPU1_BDF 0x2400u
#define GPU_SWITCH_DEVICE_NIC0_BDF 0x2500u

/* the number that a Linux guest gives to each proximity domain */
#define GPU_SWITCH_NODE_OF_DOMAIN_0 0u

#endif /* GPU_SWITCH_H */
