# For ~/.config/fish/config.fish: the index follows pip. pip's exit status stays as it is.
function _epcache_follow
    command $argv
    set -l ended $status
    epcache after $ended $argv
    return $ended
end
function pip
    _epcache_follow pip $argv
end
function pip3
    _epcache_follow pip3 $argv
end
function _epcache_python
    if string match -q -- '* -m pip *' " $argv "
        _epcache_follow $argv
    else
        command $argv
    end
end
function python
    _epcache_python python $argv
end
function python3
    _epcache_python python3 $argv
end
