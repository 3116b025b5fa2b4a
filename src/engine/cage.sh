# Makes the room of one job, from inside namespaces of its own: ROOT WORK GROUP OWNER FOLDER...
# OWNER is the number that the job's root has on the machine: 0 where it is the machine's root.
# A file system that holds the machine's programs and the job's folder becomes the root; then the machine's own is gone from
# here. What enters these namespaces later sees the same, and mounts etc/fstab over its own /proc. Once a namespace of the job's own
# has its mounts as they are, a line of input opens the control groups here to the machine's root. Ends when its input ends.
#
# A builder may be talked into giving a step whatever it sees here, under other flags than it has here. So what must not be
# written is read-only as a file system, and not only as a mount, and what must not be read is not here at all.
set -eu
umask 022
root=$1 work=$2 group=${3:?} owner=${4:?}
shift 4
mount -t tmpfs -o mode=755,size=64m hallmark "$root"
cd "$root"
at=$(printf %s "$root" | sed 's/\\/\\134/g; s/ /\\040/g')

# What programs may write, the job's folder aside. The network namespace has a sysfs of its own.
writable='dev/shm etc/containers root run tmp var/lib var/tmp'
mkdir -p empty old proc sys $writable
{
  for folder in $writable; do echo "hallmark $at/$folder tmpfs mode=755,size=64m,uid=$owner,gid=$owner 0 0"; done
  echo "sysfs $at/sys sysfs ro,nosuid,nodev,noexec 0 0"
  if ! [ -e /sys/fs/cgroup/cgroup.procs ]; then echo "hallmark $at/sys/fs/cgroup tmpfs mode=755,size=64k 0 0"; fi
} > table
mount -a -T table
mkdir -p ".$work"
mount --rbind "$work" ".$work"
# Builders read files of bases by names that the base chose: none of them is a device.
mount -o remount,bind,nodev,noatime ".$work"
ln -s /run var/run

# An overlay without an upper layer is read-only whatever is asked of it; where there is none, the mount is.
show() {
  mkdir -p ".$1"
  case $root$1 in
    *[:,\\\"]*) ;;
    *) if mount -t overlay -o "ro,lowerdir=$1:$root/empty" hallmark ".$1" 2> /dev/null; then return; fi ;;
  esac
  mount -o bind,ro "$1" ".$1"
}
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    ln -s "$(readlink "/$name")" "$name"
  elif [ -d "/$name" ]; then
    show "/$name"
  fi
done
for folder in /usr /etc/alternatives "$@"; do
  if [ -d "$folder" ]; then show "$folder"; fi
done

for file in ld.so.cache ld.so.conf nsswitch.conf protocols services; do
  if [ -f "/etc/$file" ]; then cp "/etc/$file" etc/; fi
done
# Authorities, for git: nothing but certificates, since keys may stand beside them, in the same folder or file.
for file in ssl/certs/ca-certificates.crt ssl/cert.pem ssl/ca-bundle.pem pki/tls/certs/ca-bundle.crt pki/tls/cert.pem \
  pki/ca-trust/extracted/pem/tls-ca-bundle.pem ca-certificates/extracted/tls-ca-bundle.pem; do
  if [ -f "/etc/$file" ]; then
    mkdir -p "etc/${file%/*}"
    sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "/etc/$file" > "etc/$file"
  fi
done
echo 'root:x:0:0:root:/root:/bin/sh' > etc/passwd
echo 'root:x:0:' > etc/group
echo '127.0.0.1 localhost' > etc/hosts
: > etc/resolv.conf
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0

# The kernel's settings are the machine's: programs see copies of those that they ask for. A number is given by one reading alone,
# and shells read a byte at a time.
mkdir -p sysctl/fs sysctl/kernel sysctl/net/ipv4
for setting in fs/file-max fs/nr_open kernel/cap_last_cap kernel/ngroups_max kernel/osrelease kernel/ostype \
  kernel/overflowgid kernel/overflowuid kernel/pid_max net/ipv4/ip_forward; do
  if [ -r "/proc/sys/$setting" ]; then cat "/proc/sys/$setting" > "sysctl/$setting"; fi
done
{
  echo '/sysctl /proc/sys none bind 0 0'
  for name in acpi asound bus driver dynamic_debug fs irq kcore keys kmsg kpagecgroup kpagecount kpageflags latency_stats \
    mtrr pressure sched_debug scsi slabinfo sysrq-trigger timer_list timer_stats vmallocinfo; do
    if [ -d "/proc/$name" ]; then
      echo "/empty /proc/$name none bind 0 0"
    elif [ -e "/proc/$name" ]; then
      echo "/dev/null /proc/$name none bind 0 0"
    fi
  done
} > etc/fstab

# Of the control groups, the job's own place for containers, below its bounds, is all that there is, and of version 1
# only the hierarchy without which no container is made. In a namespace of users it is read-only for good: containers
# stay in the group of the program that makes them, whose bounds are the job's, and who is given the room makes no
# groups, each of which is memory of the kernel's. The machine's root needs it to keep devices from steps, and steps do
# not see it (runc.sh).
groups() {
  if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    mkdir -p "/sys/fs/cgroup/$group/steps"
    echo 64 > "/sys/fs/cgroup/$group/steps/cgroup.max.descendants" || :
    echo 8 > "/sys/fs/cgroup/$group/steps/cgroup.max.depth" || :
    echo "/sys/fs/cgroup/$group/steps $at/sys/fs/cgroup none bind 0 0"
    return
  fi
  hierarchy=/sys/fs/cgroup/devices
  if [ -e "$hierarchy/cgroup.procs" ] && mkdir -p "$hierarchy/$group/steps" sys/fs/cgroup/devices; then
    echo "$hierarchy/$group/steps $at/sys/fs/cgroup/devices none bind 0 0"
  fi
}
groups > table
mount -a -T table
if ! [ -e /sys/fs/cgroup/cgroup.procs ]; then mount -o remount,ro sys/fs/cgroup; fi
set_groups() { # OPTION
  for place in sys/fs/cgroup sys/fs/cgroup/devices; do
    if [ -e "$place/cgroup.procs" ]; then mount -o "remount,bind,nosuid,nodev,noexec,$1" "$place"; fi
  done
}
if [ "$owner" != 0 ]; then set_groups ro; fi

rm table
# Who is not the machine's root may mount a new /proc only where a whole one is seen: this one is of no process.
if [ "$owner" != 0 ]; then unshare --pid --fork -- mount -t proc proc proc; fi
mount -t proc proc proc
mount -o remount,ro .
pivot_root . old
umount -l /old
umount /proc
echo ready
read -r _ || exit 0
# The namespace in which it stays read-only is there.
mount -t proc proc proc
set_groups rw
umount proc
echo ready
read -r _ || :
