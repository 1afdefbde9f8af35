# For ~/.bashrc, ~/.zshrc or ~/.profile: the index follows uv, in the environment that uv has changed. uv's exit
# status stays as it is.
uv() {
    command uv "$@" && set -- 0 uv "$@" || set -- "$?" uv "$@"
    epcache after "$@" || :
    return "$1"
}
