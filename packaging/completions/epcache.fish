# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_epcache_global_optspecs
    string join \n v/verbose q/quiet h/help V/version
end

function __fish_epcache_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_epcache_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_epcache_using_subcommand
    set -l cmd (__fish_epcache_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c epcache -n "__fish_epcache_needs_command" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_needs_command" -s h -l help -d 'Print help'
complete -c epcache -n "__fish_epcache_needs_command" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "refresh" -d 'Read the metadata of installed distributions and publish the index'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "query" -d 'Look up entry points; without a group, list the groups'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "list" -d 'List distributions: name, version, where, and for which interpreters'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "check" -d 'Say what is wrong with packages (exit status 0, 1 if something is)'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "status" -d 'Say what is fresh, stale or missing (exit status 0 or 3)'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "verify" -d 'Check every byte of an index (exit status 0, 1 if it is damaged)'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "export" -d 'Write out all of an index as JSON'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "hook" -d 'Print what to put where, so that the index follows pip, uv, make and others'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "after" -d 'What the functions of epcache hook call'
complete -c epcache -n "__fish_epcache_needs_command" -f -a "trigger" -d 'What package managers call: refresh the system index if Python packages were touched'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l venv -d 'The search directories of the virtual environment DIR (default: the active one)' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l path -d 'These search directories, in sys.path order (needs --output)' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l root -d 'Take DIR for the root of the file system' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l output -d 'Write the index to FILE instead of its usual place' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l system -d 'The whole system\'s search directories (default for root)'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l user -d 'Your own search directories (default for others, outside of a virtual environment)'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l full -d 'Read everything anew, whatever an older index says'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l image -d 'Make an index for an image: the same wherever it is built'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l dry-run -d 'Do everything but write'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -l json -d 'Print a summary as JSON'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -s h -l help -d 'Print help'
complete -c epcache -n "__fish_epcache_using_subcommand refresh" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand query" -l path -d 'Search these directories, in sys.path order' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand query" -l venv -d 'Search as the Python of the virtual environment DIR does' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand query" -l python -d 'Search as Python VERSION does (3.12; or the path of an interpreter)' -r
complete -c epcache -n "__fish_epcache_using_subcommand query" -l root -d 'Take DIR for the root of the file system' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand query" -l index -d 'Ask these indexes instead of those in the usual places' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand query" -l freshness -d 'How hard to look for changes since the index was written (default: auto, for indexes that the configuration names what it says)' -r -f -a "auto\t'The directory, and in small ones each metadata directory'
fast\t'The directory alone'
strict\t'The directory and each metadata directory'
trust\t'Nothing'"
complete -c epcache -n "__fish_epcache_using_subcommand query" -l import -d 'Which distributions provide the import name NAME (numpy, or yaml)' -r
complete -c epcache -n "__fish_epcache_using_subcommand query" -l system -d 'Search what `refresh --system` indexes: the packages of all Pythons of the system'
complete -c epcache -n "__fish_epcache_using_subcommand query" -l user -d 'Search what `refresh --user` indexes: your own packages'
complete -c epcache -n "__fish_epcache_using_subcommand query" -l long -d 'Print distribution, version and metadata directory as well'
complete -c epcache -n "__fish_epcache_using_subcommand query" -l explain -d 'Say which interpreter is asked, which search directories it has, and which index answers for each, or why none does'
complete -c epcache -n "__fish_epcache_using_subcommand query" -l json -d 'Print JSON: an array of objects, or with --explain an object'
complete -c epcache -n "__fish_epcache_using_subcommand query" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand query" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand query" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c epcache -n "__fish_epcache_using_subcommand query" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand list" -l path -d 'Search these directories, in sys.path order' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand list" -l venv -d 'Search as the Python of the virtual environment DIR does' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand list" -l python -d 'Search as Python VERSION does (3.12; or the path of an interpreter)' -r
complete -c epcache -n "__fish_epcache_using_subcommand list" -l root -d 'Take DIR for the root of the file system' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand list" -l index -d 'Ask these indexes instead of those in the usual places' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand list" -l freshness -d 'How hard to look for changes since the index was written (default: auto, for indexes that the configuration names what it says)' -r -f -a "auto\t'The directory, and in small ones each metadata directory'
fast\t'The directory alone'
strict\t'The directory and each metadata directory'
trust\t'Nothing'"
complete -c epcache -n "__fish_epcache_using_subcommand list" -l system -d 'Search what `refresh --system` indexes: the packages of all Pythons of the system'
complete -c epcache -n "__fish_epcache_using_subcommand list" -l user -d 'Search what `refresh --user` indexes: your own packages'
complete -c epcache -n "__fish_epcache_using_subcommand list" -l json -d 'Print JSON: an array of objects'
complete -c epcache -n "__fish_epcache_using_subcommand list" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand list" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c epcache -n "__fish_epcache_using_subcommand list" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand check" -l venv -d 'The packages of the virtual environment DIR (default: the active one, else those of python3)' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand check" -l python -d 'The packages of Python VERSION (3.12; or the path of an interpreter); with --path, for that one' -r
complete -c epcache -n "__fish_epcache_using_subcommand check" -l path -d 'The packages in these directories, in sys.path order' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand check" -l root -d 'Take DIR for the root of the file system; it may be the tree of a single package' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand check" -l system -d 'The packages of every interpreter of the system'
complete -c epcache -n "__fish_epcache_using_subcommand check" -l list -d 'Explain every kind of finding'
complete -c epcache -n "__fish_epcache_using_subcommand check" -l json -d 'Print JSON: an object'
complete -c epcache -n "__fish_epcache_using_subcommand check" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand check" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand check" -s h -l help -d 'Print help'
complete -c epcache -n "__fish_epcache_using_subcommand check" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand status" -l venv -d 'About the packages in the virtual environment DIR, those of its base left out' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand status" -l python -d 'About all that Python VERSION has on sys.path (3.12; or the path of an interpreter)' -r
complete -c epcache -n "__fish_epcache_using_subcommand status" -l path -d 'About these search directories' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand status" -l index -d 'Look at these indexes instead of those in the usual places' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand status" -l root -d 'Take DIR for the root of the file system' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand status" -l system -d 'About what `refresh --system` indexes (default: this, and the active virtual environment)'
complete -c epcache -n "__fish_epcache_using_subcommand status" -l user -d 'About your own packages'
complete -c epcache -n "__fish_epcache_using_subcommand status" -l config -d 'Print the settings that are in force, and where each comes from'
complete -c epcache -n "__fish_epcache_using_subcommand status" -l json -d 'Print JSON: an object'
complete -c epcache -n "__fish_epcache_using_subcommand status" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand status" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c epcache -n "__fish_epcache_using_subcommand status" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand verify" -l explain -d 'Name the rule that a damaged index breaks, as docs/specification/file.md numbers them'
complete -c epcache -n "__fish_epcache_using_subcommand verify" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand verify" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand verify" -s h -l help -d 'Print help'
complete -c epcache -n "__fish_epcache_using_subcommand verify" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand export" -l index -d 'The index (default: the first one in the usual places)' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand export" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand export" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand export" -s h -l help -d 'Print help'
complete -c epcache -n "__fish_epcache_using_subcommand export" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand hook" -l fish -d 'For fish, instead of bash, zsh, dash and other POSIX shells'
complete -c epcache -n "__fish_epcache_using_subcommand hook" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand hook" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand hook" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c epcache -n "__fish_epcache_using_subcommand hook" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand after" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand after" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand after" -s h -l help -d 'Print help'
complete -c epcache -n "__fish_epcache_using_subcommand after" -s V -l version -d 'Print version'
complete -c epcache -n "__fish_epcache_using_subcommand trigger" -l root -d 'Take DIR for the root of the file system (default with dpkg: $DPKG_ROOT)' -r -F
complete -c epcache -n "__fish_epcache_using_subcommand trigger" -l strict -d 'End with status 2 if the index could not be refreshed'
complete -c epcache -n "__fish_epcache_using_subcommand trigger" -s v -l verbose -d 'Say more'
complete -c epcache -n "__fish_epcache_using_subcommand trigger" -s q -l quiet -d 'Say nothing but errors'
complete -c epcache -n "__fish_epcache_using_subcommand trigger" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c epcache -n "__fish_epcache_using_subcommand trigger" -s V -l version -d 'Print version'
