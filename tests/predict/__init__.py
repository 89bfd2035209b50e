"""What stacks make of functions: by hand, from what is known of Linux, QEMU and the others."""
