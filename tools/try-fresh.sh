#!/bin/bash
# Tries a make verb on a machine that has nothing yet: a minimal Debian 12 with git and make, in a directory
# that is deleted afterwards. It gets this tree, the host's package sources and certificates, and nothing else.
# Usage: tools/try-fresh.sh [VERB...]    (as root; needs debootstrap; the verb is build if none is given)
set -euo pipefail
cd "$(dirname "$0")/.."
((EUID == 0)) || { echo "try-fresh: run as root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "try-fresh: apt-get install debootstrap" >&2; exit 1; }

# Mounts made below belong to this process and end with it, so the deletion cannot reach through them.
[[ -n ${MIP_FRESH:-} ]] || MIP_FRESH=1 exec unshare --mount --propagation private "$0" "$@"

root="$(mktemp -d -t mobileip-fresh.XXXXXX)"
clean_up() {
	! mountpoint --quiet "$root" || umount --recursive "$root"
	rm -rf --one-file-system "$root"
}
trap clean_up EXIT

mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)"
[[ -n $mirror ]] || { echo "try-fresh: this host has no package source for Debian 12" >&2; exit 1; }
debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$root" "$mirror" >"$root.log" || {
	cat "$root.log" >&2
	exit 1
}
rm "$root.log"
for path in /etc/apt /etc/ssl/certs/ca-certificates.crt /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg/pip; do
	[[ -e $path ]] || continue
	rm -rf "${root:?}$path"
	mkdir -p "$root${path%/*}"
	cp -aL "$path" "$root$path"
done
settings=()
for name in $(compgen -e); do
	[[ ! $name =~ ^(PIP_.*|SSL_CERT_FILE|https?_proxy|no_proxy|TERM|CI)$ ]] || settings+=("$name=${!name}")
done

git clone --quiet . "$root/mobileip"
git ls-files --cached --others --exclude-standard -z |
	tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --directory "$root/mobileip"

# A mount point of its own, because `ip netns exec` changes how mounts below / propagate.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
path=/usr/sbin:/usr/bin:/sbin:/bin
chroot "$root" env --ignore-environment PATH="$path" HOME=/ "${settings[@]}" make -C /mobileip "${@:-build}"
