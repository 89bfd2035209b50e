#!/bin/sh
# A QEMU whose machine has no devices, and does not migrate.
[ "$*" = --version ] && exec echo "QEMU emulator version 11.1.3"
while read -r line; do
    case "$line" in
    *query-version*) echo '{"return": {"qemu": {"major": 11, "minor": 1, "micro": 3}}}' ;;
    *'"/machine", "property": "type"'*) echo '{"return": "none-machine"}' ;;
    *qmp_capabilities*) echo '{"return": {}}' ;;
    *) echo '{"error": {"class": "GenericError", "desc": "no"}}' ;;
    esac
done
