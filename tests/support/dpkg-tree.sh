# For tests/dpkg-walk and tests/dpkg-surroundings, which source this file: a Debian tree in a layer in memory, real
# dpkg in it, and the package of epcache. Needs root. All that is mounted goes with the namespace that this runs in,
# however it ends.
#
# In: the arguments EPCACHE.deb TREE DEBS ... of the script, and $usage. The script goes on in the namespace. Out:
# $epcache_deb, $debs, $root (the tree), $work, $walk (/srv/walk in the tree), and the functions below.

if [[ ${1:-} != --inside ]]; then
    [[ $# -ge 3 && $EUID == 0 ]] || { echo "usage, as root: $usage" >&2; exit 2; }
    export WALK_WORK
    WALK_WORK=$(mktemp -d)
    trap 'rmdir "$WALK_WORK"' EXIT
    status=0
    unshare --mount --propagation private --pid --fork --kill-child "$0" --inside "$@" || status=$?
    exit "$status"
fi
shift
epcache_deb=$1 tree=$2 debs=$3
work=$WALK_WORK

mount -t tmpfs -o mode=755,size=4g tmpfs "$work"
mkdir "$work"/{upper,work,root,build}
root=$work/root
mount -t overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" overlay "$root"
mount -t proc proc "$root/proc"
apt-config dump | grep -E '^Acquire::https?::Proxy ' >"$root/etc/apt/apt.conf.d/00proxy" || true
cp --remove-destination -L /etc/resolv.conf "$root/etc/resolv.conf" || true

walk=$root/srv/walk
mkdir "$walk"

fail() {
    echo "FAILED: $step: $*" >&2
    exit 1
}
step=
begin() {
    step=$*
    printf '== %s\n' "$step"
}

# Runs a program in the tree.
in_tree() {
    timeout --kill-after=10 600 chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
        DEBIAN_FRONTEND=noninteractive "$@"
}

# The same for a package manager: it has to succeed. What it says is kept.
transaction() {
    local status=0
    in_tree "$@" >"$work/said" 2>&1 || status=$?
    [[ $status == 0 ]] || { cat "$work/said" >&2; fail "$* ended with status $status"; }
}

# How often epcache spoke up in the last transaction.
complaints() { grep -c '^epcache: ' "$work/said" || true; }

clean() {
    local audit
    audit=$(in_tree dpkg --audit)
    [[ -z $audit ]] || fail "dpkg --audit: $audit"
}

# The files of packages by their names, downloaded where they are not at hand; in $files, as paths in the tree.
lists=
debs_of() {
    local name found
    files=()
    for name; do
        found=$(find "$debs" -name "${name}_*.deb" | sort | tail -n 1)
        if [[ -z $found ]]; then
            [[ -n $lists ]] || { in_tree apt-get update -q >/dev/null; lists=yes; }
            (cd "$walk" && chroot "$root" sh -c 'cd /srv/walk && apt-get download -q "$1"' sh "$name" >/dev/null)
            found=$(find "$walk" -name "${name}_*.deb" | sort | tail -n 1)
            cp "$found" "$debs/"
        fi
        [[ $found -ef $walk/${found##*/} ]] || cp "$found" "$walk"
        files+=("/srv/walk/${found##*/}")
    done
}
