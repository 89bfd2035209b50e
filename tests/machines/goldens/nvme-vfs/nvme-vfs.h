/* nvme-vfs: where everything of the machine is. Made from its layout: do not edit. */
#ifndef NVME_VFS_H
#define NVME_VFS_H

/* the machine */
#define NVME_VFS_CPUS 4u
#define NVME_VFS_MEMORY_BYTES 0x100000000ull
#define NVME_VFS_DOMAINS 1u
#define NVME_VFS_WINDOWS_BYTES 0x0ull
#define NVME_VFS_WINDOWS_ALIGNED_BYTES 0x0ull

/* ports: the bus behind each, and its 64-bit window */
#define NVME_VFS_PORT_DISK_PORT0_SECONDARY 0x01u
#define NVME_VFS_PORT_DISK_PORT0_WINDOW_BYTES 0x0ull
#define NVME_VFS_PORT_DISK_PORT1_SECONDARY 0x02u
#define NVME_VFS_PORT_DISK_PORT1_WINDOW_BYTES 0x0ull
#define NVME_VFS_PORT_DISK_PORT2_SECONDARY 0x03u
#define NVME_VFS_PORT_DISK_PORT2_WINDOW_BYTES 0x0ull
#define NVME_VFS_PORT_DISK_PORT3_SECONDARY 0x04u
#define NVME_VFS_PORT_DISK_PORT3_WINDOW_BYTES 0x0ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define NVME_VFS_DEVICE_DISK0_BDF 0x0100u
#define NVME_VFS_DEVICE_DISK1_BDF 0x0200u
#define NVME_VFS_DEVICE_DISK2_BDF 0x0300u
#define NVME_VFS_DEVICE_DISK3_BDF 0x0400u

/* the number that a Linux guest gives to each proximity domain */
#define NVME_VFS_NODE_OF_DOMAIN_0 0u

#endif /* NVME_VFS_H */
