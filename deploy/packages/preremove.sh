#!/bin/sh
# deb calls it with "remove" or "upgrade", rpm with the number of versions that stay. Nothing is stopped for an upgrade.
set -e

case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl stop pulsegate.service
	fi
	if command -v systemctl >/dev/null; then
		systemctl --no-reload disable pulsegate.service
	fi
	;;
esac
