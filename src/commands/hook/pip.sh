# For ~/.bashrc, ~/.zshrc or ~/.profile: the index follows pip. pip's exit status stays as it is.
_epcache_follow() {
    command "$@" && set -- 0 "$@" || set -- "$?" "$@"
    epcache after "$@" || :
    return "$1"
}
pip() { _epcache_follow pip "$@"; }
pip3() { _epcache_follow pip3 "$@"; }
_epcache_python() {
    case " $* " in
    *' -m pip '*) _epcache_follow "$@" ;;
    *) command "$@" ;;
    esac
}
python() { _epcache_python python "$@"; }
python3() { _epcache_python python3 "$@"; }
