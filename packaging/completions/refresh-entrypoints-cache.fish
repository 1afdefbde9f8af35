complete -c refresh-entrypoints-cache -l venv -d 'The search directories of the virtual environment DIR (default: the active one)' -r -F
complete -c refresh-entrypoints-cache -l path -d 'These search directories, in sys.path order (needs --output)' -r -F
complete -c refresh-entrypoints-cache -l root -d 'Take DIR for the root of the file system' -r -F
complete -c refresh-entrypoints-cache -l output -d 'Write the index to FILE instead of its usual place' -r -F
complete -c refresh-entrypoints-cache -l system -d 'The whole system\'s search directories (default for root)'
complete -c refresh-entrypoints-cache -l user -d 'Your own search directories (default for others, outside of a virtual environment)'
complete -c refresh-entrypoints-cache -l full -d 'Read everything anew, whatever an older index says'
complete -c refresh-entrypoints-cache -l image -d 'Make an index for an image: the same wherever it is built'
complete -c refresh-entrypoints-cache -l dry-run -d 'Do everything but write'
complete -c refresh-entrypoints-cache -l json -d 'Print a summary as JSON'
complete -c refresh-entrypoints-cache -s v -l verbose -d 'Say more'
complete -c refresh-entrypoints-cache -s q -l quiet -d 'Say nothing but errors'
complete -c refresh-entrypoints-cache -s h -l help -d 'Print help'
complete -c refresh-entrypoints-cache -s V -l version -d 'Print version'
