# For ~/.bashrc or ~/.zshrc: the index of the active environment follows pip.
pip() {
    command pip "$@" || return
    case ${1-} in
    install | uninstall) epcache refresh --quiet ${VIRTUAL_ENV:+--venv "$VIRTUAL_ENV"} ;;
    esac
}
