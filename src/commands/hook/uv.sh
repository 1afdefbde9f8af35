# For ~/.bashrc or ~/.zshrc: the index follows uv, in the project's environment or, for `uv pip`, in the active one.
uv() {
    command uv "$@" || return
    case ${1-} in
    add | remove | sync) set -- "${UV_PROJECT_ENVIRONMENT:-.venv}" ;;
    pip) set -- "${VIRTUAL_ENV:-.venv}" ;;
    *) return 0 ;;
    esac
    [ ! -e "$1/pyvenv.cfg" ] || epcache refresh --quiet --venv "$1"
}
