# For $CONDA_PREFIX/etc/conda/activate.d/epcache.sh: refreshed whenever the environment is made active. Put
# `unset EPCACHE_INDEX` into etc/conda/deactivate.d/epcache.sh.
epcache refresh --quiet --path "$CONDA_PREFIX"/lib/python3*/site-packages --output "$CONDA_PREFIX/.epcache/index"
export EPCACHE_INDEX="$CONDA_PREFIX/.epcache/index"
