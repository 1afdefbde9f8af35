# Completion for fish: `epcache completions fish` prints this. The program says what a word may become.
function __epcache_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (basename $words[1])
    set -e words[1]
    if string match -q 'refresh-*' $program
        set words refresh $words
    end
    for line in (epcache complete -- $words "$current" 2>/dev/null)
        switch $line
            case ':dirs*'
                __fish_complete_directories "$current" ''
            case ':files*'
                __fish_complete_path "$current"
            case '*'
                echo $line
        end
    end
end
complete -c epcache -f -a '(__epcache_complete)'
complete -c refresh-entrypoints-cache -f -a '(__epcache_complete)'
