#!/bin/sh
# Both kinds of package run this behind an installation and behind an upgrade; running it again changes nothing.
set -e

systemd-sysusers pulsegate.conf
chown root:pulsegate /etc/pulsegate
chmod 0750 /etc/pulsegate

# A new one is not started: it has to be told first where the brokers are. One that runs goes on as the new version; the old
# one closes its sessions in the background, which takes as long as the configuration says.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart --no-block pulsegate.service
fi
