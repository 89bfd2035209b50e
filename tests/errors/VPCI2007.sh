#!/bin/sh
echo "Kernel panic - not syncing: No working init found."
