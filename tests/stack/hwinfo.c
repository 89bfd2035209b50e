/*
 * What iommufd says of the IOMMU in front of functions that are bound to vfio-pci: IOMMU_GET_HW_INFO.
 *
 *   hwinfo ADDRESS...       a line "TYPE MAX_PASID_LOG2 CAPABILITIES" for each, in hex, or "error TEXT"
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The device file of a function: /dev/vfio/devices/vfioN, where N is known to sysfs only. */
static int open_device(const char *address)
{
    char path[512];
    int device = -1;

    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vfio-dev", address);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (!strncmp(entry->d_name, "vfio", 4)) {
            snprintf(path, sizeof path, "/dev/vfio/devices/%s", entry->d_name);
            device = open(path, O_RDWR);
        }
    if (folder)
        closedir(folder);
    return device;
}

static const char *ask(int iommu, const char *address)
{
    struct vfio_device_bind_iommufd bind = { .argsz = sizeof bind, .iommufd = iommu };
    struct iommu_hw_info info = { .size = sizeof info };

    int device = open_device(address);
    if (device < 0)
        return "open";
    if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
        return "VFIO_DEVICE_BIND_IOMMUFD";
    info.dev_id = bind.out_devid;
    if (ioctl(iommu, IOMMU_GET_HW_INFO, &info))
        return "IOMMU_GET_HW_INFO";
    printf("%x %x %llx\n", info.out_data_type, info.out_max_pasid_log2, (unsigned long long)info.out_capabilities);
    close(device);
    return NULL;
}

int main(int count, char **words)
{
    int iommu = open("/dev/iommu", O_RDWR);

    for (int one = 1; one < count; one++) {
        const char *what = ask(iommu, words[one]);
        if (what)
            printf("error %s: %s\n", what, strerror(errno));
    }
    return 0;
}
