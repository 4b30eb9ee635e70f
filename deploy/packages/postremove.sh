#!/bin/sh
# The user stays: files of its may be left.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
