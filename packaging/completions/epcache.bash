# Completion for bash: `epcache completions bash` prints this. The program says what a word may become.
_epcache() {
    local IFS=$'\n' line words=("${COMP_WORDS[@]:1:COMP_CWORD}") current=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[0]##*/} in
    refresh-*) words=(refresh "${words[@]}") ;;
    esac
    COMPREPLY=()
    for line in $(epcache complete -- "${words[@]}" 2>/dev/null); do
        case $line in
        :dirs*)
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -d -- "$current"))
            ;;
        :files*)
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -f -- "$current"))
            ;;
        *) COMPREPLY+=("$(printf %q "${line%%$'\t'*}")") ;;
        esac
    done
}
complete -F _epcache epcache refresh-entrypoints-cache
