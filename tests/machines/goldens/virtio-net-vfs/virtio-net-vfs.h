/* virtio-net-vfs: where everything of the machine is. Made from its layout: do not edit. */
#ifndef VIRTIO_NET_VFS_H
#define VIRTIO_NET_VFS_H

/* the machine */
#define VIRTIO_NET_VFS_CPUS 2u
#define VIRTIO_NET_VFS_MEMORY_BYTES 0x80000000ull
#define VIRTIO_NET_VFS_DOMAINS 1u
#define VIRTIO_NET_VFS_WINDOWS_BYTES 0x200000ull
#define VIRTIO_NET_VFS_WINDOWS_ALIGNED_BYTES 0x80000000ull

/* ports: the bus behind each, and its 64-bit window */
#define VIRTIO_NET_VFS_PORT_OLD_PORT_SECONDARY 0x01u
#define VIRTIO_NET_VFS_PORT_OLD_PORT_WINDOW_BYTES 0x100000ull
#define VIRTIO_NET_VFS_PORT_NEW_PORT_SECONDARY 0x02u
#define VIRTIO_NET_VFS_PORT_NEW_PORT_WINDOW_BYTES 0x100000ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define VIRTIO_NET_VFS_DEVICE_NET0_BDF 0x0100u
#define VIRTIO_NET_VFS_DEVICE_NET1_BDF 0x0200u

/* the number that a Linux guest gives to each proximity domain */
#define VIRTIO_NET_VFS_NODE_OF_DOMAIN_0 0u

#endif /* VIRTIO_NET_VFS_H */
