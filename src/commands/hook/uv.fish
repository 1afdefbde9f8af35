# For ~/.config/fish/config.fish: the index follows uv, in the environment that uv has changed. uv's exit status
# stays as it is.
function uv
    command uv $argv
    set -l ended $status
    epcache after $ended uv $argv
    return $ended
end
