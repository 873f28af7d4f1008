# Lays a container's root out of layers and becomes the command, in namespaces of its own (see root.ts):
#   sh enter-root.sh ROOT OVERLAY_OPTIONS SCRATCH stay|pivot COMMAND [WORD …]
set -eu
root=$1 options=$2 scratch=$3 way=$4
shift 4
mount -t overlay layers -o "$options" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,noexec,mode=755 devices "$root/dev"
for device in null zero full random urandom; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
# What a container engine writes of the host's network.
for file in resolv.conf hosts; do
  if [ -f "$root/etc/$file" ]; then mount --bind "/etc/$file" "$root/etc/$file"; fi
done
# SCRATCH is a folder that may be written although the root may not, as --tmpfs makes it.
if [ -n "$scratch" ]; then mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=256m scratch "$root$scratch"; fi
# In a root that was pivoted to, unlike one entered by chroot, namespaces may be made.
if [ "$way" = pivot ]; then
  mount --make-rprivate /
  cd "$root"
  pivot_root . .
  umount -l .
fi
exec "$@"
