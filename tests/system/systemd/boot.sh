#!/bin/sh
# Makes the machine that box.py starts and becomes its process 1, a real systemd.
#
#   boot.sh FOLDER CGROUP [SOURCE:TARGET ...]
#
# It runs in mount, pid, uts, ipc and net namespaces of its own. The root is an overlay: what lies
# below is $BOX_LOWER, only read; what is written goes to memory and is gone at the end.
# Further arguments are folders of this machine to be seen, read-only, at another place in there.
set -eu
if [ "$1" != within ]; then
    # Into the cgroup first: it becomes the root of the cgroup namespace that is made next.
    echo 0 > "$2/cgroup.procs"
    exec unshare --cgroup -- "$0" within "$@"
fi
folder=$2
shift 3

mount -t tmpfs -o mode=755,size=2g tmpfs "$folder"
root=$folder/root
mkdir "$folder/up" "$folder/work" "$root"
mount -t overlay -o "lowerdir=$BOX_LOWER,upperdir=$folder/up,workdir=$folder/work" overlay "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
for part in sys sysrq-trigger irq bus; do
    [ ! -e "$root/proc/$part" ] || {
        mount --bind "$root/proc/$part" "$root/proc/$part"
        mount -o remount,bind,ro "$root/proc/$part"
    }
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid,size=4m tmpfs "$root/dev"
for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/$device"; done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
for pair in "$@"; do
    mkdir -p "$root${pair#*:}"
    mount --bind -o ro "${pair%%:*}" "$root${pair#*:}"
done

# Nothing of what this machine has enabled starts in there, nor what needs a machine of its own.
units=$root/etc/systemd/system
rm -rf "$units" "$root/etc/postgresql"
mkdir -p "$units"
for unit in getty.target systemd-journald-audit.socket systemd-logind.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-firstboot.service \
    systemd-sysusers.service systemd-timesyncd.service systemd-networkd.service \
    systemd-resolved.service dev-hugepages.mount sys-fs-fuse-connections.mount \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    proc-sys-fs-binfmt_misc.automount systemd-binfmt.service kmod-static-nodes.service \
    systemd-modules-load.service systemd-sysctl.service systemd-random-seed.service \
    systemd-repart.service systemd-tmpfiles-clean.timer systemd-pcrphase.service \
    systemd-pcrphase-sysinit.service systemd-remount-fs.service systemd-udevd.service \
    systemd-machine-id-commit.service systemd-journal-flush.service dbus.service dbus.socket; do
    ln -s /dev/null "$units/$unit"
done
: > "$root/etc/fstab"
echo box > "$root/etc/hostname"
rm -rf "$root/var/log/journal" "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/etc/systemd/journald.conf.d"
cat > "$root/etc/systemd/journald.conf.d/box.conf" <<CONF
[Journal]
Storage=volatile
Audit=no
ReadKMsg=no
ForwardToSyslog=no
ForwardToWall=no
RateLimitIntervalSec=0
CONF
mkdir -p "$root/run/host"
: > "$root/run/host/container-manager"
ip link set lo up 2>/dev/null || true

cd "$root"
mkdir -p run/oldroot
pivot_root . run/oldroot
# Shared, or credentials come out empty; without the capabilities that would reach this machine.
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=box \
    LANG=C.UTF-8 /bin/sh -c 'umount -l /run/oldroot; rmdir /run/oldroot; mount --make-rshared /
    lost=-sys_time,-sys_module,-sys_rawio,-syslog,-audit_read,-audit_control,-mac_admin
    lost=$lost,-mac_override,-wake_alarm,-block_suspend
    exec setpriv --bounding-set "$lost" --inh-caps -all \
        /lib/systemd/systemd --system --log-level=info --show-status=0' </dev/null
