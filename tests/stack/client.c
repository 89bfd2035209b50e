/*
 * What runs inside the Linux guest of the rig: the client that shows a configuration space, and changes it.
 *
 *   client kernel WIDTHS ADDRESS...             through vfio-pci's file descriptors; WIDTHS is "4", "421", ...
 *   client nested SEATS -- QEMU ARGUMENT...     through a QEMU that it starts; SEATS is "bus.device,bus.device,..."
 *
 * Both print a line "dump NUMBER WIDTH HEX" for each space, then "ready", and wait for a line for each space: a mask
 * in hex of the bits that may be written, or "-" for none. Dwords with such bits are then written with ones, with zeros,
 * and with what they had; the lines "probe NUMBER HEX" say which bits followed. A line "done" waits for another one. What goes wrong is a line "error NUMBER TEXT".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPACE = 4096, MOST = 32 };

static uint8_t space[MOST][SPACE], mask[MOST][SPACE], moved[MOST][SPACE];
static int size[MOST];

static uint32_t number(const uint8_t *at)
{
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static void print_hex(const char *what, int one, int width, const uint8_t *data, int length)
{
    printf("%s %d ", what, one);
    if (width)
        printf("%d ", width);
    for (int i = 0; i < length; i++)
        printf("%02x", data[i]);
    putchar('\n');
}

/* After the dumps: what may be written. Returns 0 when nothing may. */
static int read_masks(int count)
{
    static char line[2 * SPACE + 2];
    int any = 0;

    puts("ready");
    fflush(stdout);
    for (int one = 0; one < count; one++) {
        memset(mask[one], 0, SPACE);
        if (!fgets(line, sizeof line, stdin))
            exit(3);
        for (int i = 0; i < SPACE && line[0] != '-'; i++) {
            unsigned int octet;
            if (sscanf(line + 2 * i, "%2x", &octet) != 1)
                break;
            mask[one][i] = octet;
            any |= octet;
        }
    }
    return any;
}

/* After the probes: nothing is closed, which changes the function again, before somebody has taken note. */
static void read_leave(void)
{
    char line[8];

    puts("done");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(3);
}

/* Write ones, zeros, and what was there, into each run of dwords that have a bit that may be written. */
static void probe(int one, void (*get)(int, int, uint8_t *, int), void (*set)(int, int, const uint8_t *, int))
{
    static uint8_t data[SPACE], ones[SPACE], zeros[SPACE];

    for (int start = 0, end; start < size[one]; start = end) {
        for (end = start + 4; end < size[one] && !number(mask[one] + end - 4) == !number(mask[one] + end);)
            end += 4;
        if (!number(mask[one] + start))
            continue;
        int length = end - start;
        for (int i = start; i < end; i++)
            data[i] = space[one][i] | mask[one][i];
        set(one, start, data + start, length);
        get(one, start, ones + start, length);
        for (int i = start; i < end; i++)
            data[i] = space[one][i] & ~mask[one][i];
        set(one, start, data + start, length);
        get(one, start, zeros + start, length);
        set(one, start, space[one] + start, length);
        for (int i = start; i < end; i++)
            moved[one][i] = ones[i] & ~zeros[i] & mask[one][i];
    }
}

/* ---- through vfio-pci ------------------------------------------------------------------------------------------ */

static struct { const char *address; int group, device; off_t config; char why[80]; } opened[MOST];
static int container;

static void fail(int one, const char *what)
{
    snprintf(opened[one].why, sizeof opened[one].why, "%s: %s", what, strerror(errno));
}

static void join_group(int one)
{
    static int typed;
    char link[128], target[256], path[64];
    struct vfio_group_status status = { .argsz = sizeof status };

    opened[one].device = -1;
    snprintf(link, sizeof link, "/sys/bus/pci/devices/%s/iommu_group", opened[one].address);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0)
        return fail(one, "no IOMMU group");
    target[length] = 0;
    snprintf(path, sizeof path, "/dev/vfio/%s", strrchr(target, '/') + 1);
    opened[one].group = open(path, O_RDWR);
    if (opened[one].group < 0)
        return fail(one, path);
    if (ioctl(opened[one].group, VFIO_GROUP_GET_STATUS, &status) || !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
        return fail(one, "group not viable");
    if (ioctl(opened[one].group, VFIO_GROUP_SET_CONTAINER, &container))
        return fail(one, "no container");
    if (!typed && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
        return fail(one, "no IOMMU");
    typed = 1;
}

/* Opening a device resets it, and that is mostly waiting: each in a thread of its own. */
static void *open_device(void *argument)
{
    int one = (int)(intptr_t)argument;
    struct vfio_region_info info = { .argsz = sizeof info, .index = VFIO_PCI_CONFIG_REGION_INDEX };

    if (opened[one].why[0])
        return NULL;
    opened[one].device = ioctl(opened[one].group, VFIO_GROUP_GET_DEVICE_FD, opened[one].address);
    if (opened[one].device < 0)
        fail(one, "cannot be opened");
    else if (ioctl(opened[one].device, VFIO_DEVICE_GET_REGION_INFO, &info))
        fail(one, "no configuration region");
    size[one] = info.size < SPACE ? info.size : SPACE;
    opened[one].config = info.offset;
    return NULL;
}

static void kernel_read(int one, int offset, uint8_t *data, int length)
{
    if (pread(opened[one].device, data, length, opened[one].config + offset) != length)
        printf("error %d a read at %#x failed: %s\n", one, offset, strerror(errno));
}

static void kernel_write(int one, int offset, const uint8_t *data, int length)
{
    if (pwrite(opened[one].device, data, length, opened[one].config + offset) != length)
        printf("error %d a write at %#x failed: %s\n", one, offset, strerror(errno));
}

static void kernel_dump(int one, int width)
{
    uint8_t data[SPACE];

    if (width == 4)
        kernel_read(one, 0, data, size[one]); /* Linux takes it dword by dword */
    else
        for (int offset = 0; offset < size[one]; offset += width)
            kernel_read(one, offset, data + offset, width);
    if (width == 4)
        memcpy(space[one], data, SPACE);
    print_hex("dump", one, width, data, size[one]);
}

static int kernel(const char *widths, int count, char **addresses)
{
    pthread_t threads[MOST];

    container = open("/dev/vfio/vfio", O_RDWR);
    for (int one = 0; one < count; one++) {
        opened[one].address = addresses[one];
        join_group(one);
    }
    for (int one = 0; one < count; one++)
        pthread_create(&threads[one], NULL, open_device, (void *)(intptr_t)one);
    for (int one = 0; one < count; one++) {
        pthread_join(threads[one], NULL);
        if (opened[one].why[0])
            printf("error %d %s\n", one, opened[one].why);
    }
    for (int one = 0; one < count; one++)
        for (const char *width = widths; *width && !opened[one].why[0]; width++)
            kernel_dump(one, *width - '0');
    if (!read_masks(count))
        return 0;
    for (int one = 0; one < count; one++)
        if (!opened[one].why[0]) {
            probe(one, kernel_read, kernel_write);
            print_hex("probe", one, 0, moved[one], size[one]);
        }
    read_leave();
    return 0;
}

/* ---- through a QEMU ------------------------------------------------------------------------------------------- */

static FILE *to_qemu, *from_qemu;
static pid_t qemu;
static unsigned int bus[MOST], slot[MOST];
static char answer[2 * SPACE + 64];
static const unsigned int ECAM = 0xb0000000;

static const char *next_answer(void)
{
    do {
        if (!fgets(answer, sizeof answer, from_qemu))
            exit(4); /* QEMU ended; what it said is in its standard error */
    } while (strncmp(answer, "OK", 2));
    return answer + 2;
}

static const char *command(const char *text)
{
    fprintf(to_qemu, "%s\n", text);
    fflush(to_qemu);
    return next_answer();
}

static unsigned int address(int one, int offset)
{
    return ECAM | bus[one] << 20 | slot[one] << 15 | offset;
}

static void start(char **arguments)
{
    int to[2], from[2];

    if (pipe(to) || pipe(from))
        exit(5);
    qemu = fork();
    if (qemu == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execv(arguments[0], arguments);
        exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_qemu = fdopen(to[1], "w");
    from_qemu = fdopen(from[0], "r");
}

/* QEMU, too, takes these dword by dword: the bus knows nothing larger. */
static void nested_read(int one, int offset, uint8_t *data, int length)
{
    char text[64];

    snprintf(text, sizeof text, "read %#x %#x", address(one, offset), length);
    const char *hex = strstr(command(text), "0x") + 2;
    for (int i = 0; i < length; i++) {
        unsigned int octet = 0xff;
        sscanf((char[]){ hex[2 * i], hex[2 * i + 1], 0 }, "%2x", &octet);
        data[i] = octet;
    }
}

static void nested_write(int one, int offset, const uint8_t *data, int length)
{
    static char text[2 * SPACE + 64];
    int at = snprintf(text, sizeof text, "write %#x %#x 0x", address(one, offset), length);

    for (int i = 0; i < length; i++)
        at += snprintf(text + at, 3, "%02x", data[i]);
    command(text);
}

static int nested(char *seats, char **arguments)
{
    int count = 0;
    char text[64];

    for (char *seat = strtok(seats, ","); seat && count < MOST; seat = strtok(NULL, ","))
        sscanf(seat, "%x.%x", &bus[count], &slot[count]), count++;
    start(arguments);
    command("outl 0xcf8 0x80000064"); /* PCIEXBAR of the q35 chipset: its upper half, then its lower one, enabled */
    command("outl 0xcfc 0");
    command("outl 0xcf8 0x80000060");
    snprintf(text, sizeof text, "outl 0xcfc %#x", ECAM | 1);
    command(text);
    /* A bridge stands in the slot of the root bus that has the number of the bus below it. */
    for (int one = 0; one < count; one++)
        if (bus[one]) {
            snprintf(text, sizeof text, "writel %#x %#x", ECAM | bus[one] << 15 | 0x18, bus[one] << 16 | bus[one] << 8);
            command(text);
        }
    for (int one = 0; one < count; one++)
        size[one] = SPACE, nested_read(one, 0, space[one], SPACE), print_hex("dump", one, 4, space[one], SPACE);
    if (read_masks(count)) {
        for (int one = 0; one < count; one++) {
            probe(one, nested_read, nested_write);
            print_hex("probe", one, 0, moved[one], SPACE);
        }
        read_leave();
    }
    kill(qemu, SIGKILL);
    waitpid(qemu, NULL, 0); /* until then it holds the functions */
    return 0;
}

int main(int count, char **words)
{
    if (count > 3 && !strcmp(words[1], "kernel"))
        return kernel(words[2], count - 3, words + 3);
    if (count > 4 && !strcmp(words[1], "nested") && !strcmp(words[3], "--"))
        return nested(words[2], words + 4);
    return 2;
}
