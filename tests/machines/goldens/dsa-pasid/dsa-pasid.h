/* dsa-pasid: where everything of the machine is. Made from its layout: do not edit. */
#ifndef DSA_PASID_H
#define DSA_PASID_H

/* the machine */
#define DSA_PASID_CPUS 8u
#define DSA_PASID_MEMORY_BYTES 0x200000000ull
#define DSA_PASID_DOMAINS 1u
#define DSA_PASID_WINDOWS_BYTES 0x0ull
#define DSA_PASID_WINDOWS_ALIGNED_BYTES 0x80000000ull

/* functions: bus << 8 | device << 3 | function, and their proximity domains */
#define DSA_PASID_DEVICE_DSA0_BDF 0x0028u

/* the number that a Linux guest gives to each proximity domain */
#define DSA_PASID_NODE_OF_DOMAIN_0 0u

#endif /* DSA_PASID_H */
