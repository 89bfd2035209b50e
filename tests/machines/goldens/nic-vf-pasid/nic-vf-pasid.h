/* nic-vf-pasid: where everything of the machine is. Made from its layout: do not edit. */
#ifndef NIC_VF_PASID_H
#define NIC_VF_PASID_H

/* the machine */
#define NIC_VF_PASID_CPUS 4u
#define NIC_VF_PASID_MEMORY_BYTES 0x100000000ull
#define NIC_VF_PASID_DOMAINS 1u
#define NIC_VF_PASID_WINDOWS_BYTES 0x100000ull
#define NIC_VF_PASID_WINDOWS_ALIGNED_BYTES 0x80000000ull

/* bus numbers of expanders */
#define NIC_VF_PASID_BUS_PCIE1 0x08u

/* ports: the bus behind each, and its 64-bit window */
#define NIC_VF_PASID_PORT_NIC_PORT_SECONDARY 0x09u
#define NIC_VF_PASID_PORT_NIC_PORT_WINDOW_BYTES 0x100000ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define NIC_VF_PASID_DEVICE_NIC0_BDF 0x0900u

/* the number that a Linux guest gives to each proximity domain */
#define NIC_VF_PASID_NODE_OF_DOMAIN_0 0u

#endif /* NIC_VF_PASID_H */
