/* cxl-host-bridge: where everything of the machine is. Made from its layout: do not edit. */
#ifndef CXL_HOST_BRIDGE_H
#define CXL_HOST_BRIDGE_H

/* the machine */
#define CXL_HOST_BRIDGE_CPUS 4u
#define CXL_HOST_BRIDGE_MEMORY_BYTES 0x100000000ull
#define CXL_HOST_BRIDGE_DOMAINS 2u
#define CXL_HOST_BRIDGE_WINDOWS_BYTES 0x100000ull
#define CXL_HOST_BRIDGE_WINDOWS_ALIGNED_BYTES 0x80000000ull

/* bus numbers of expanders */
#define CXL_HOST_BRIDGE_BUS_CXL0 0x34u

/* ports: the bus behind each, and its 64-bit window */
#define CXL_HOST_BRIDGE_PORT_CXL_PORT_SECONDARY 0x35u
#define CXL_HOST_BRIDGE_PORT_CXL_PORT_WINDOW_BYTES 0x100000ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define CXL_HOST_BRIDGE_DEVICE_ACCEL0_BDF 0x3500u

/* the number that a Linux guest gives to each proximity domain */
#define CXL_HOST_BRIDGE_NODE_OF_DOMAIN_0 0u

#endif /* CXL_HOST_BRIDGE_H */
