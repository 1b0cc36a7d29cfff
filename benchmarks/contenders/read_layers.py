"""Read layers of an image as an audit does; print how long it took, and how much memory.

python read_layers.py CACHE FILE=DIGEST=DIFF_ID...
"""

from __future__ import annotations

import resource
import sys
import time

start_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start_s = time.perf_counter()

from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_multiarch.core.filetree import FileTree  # noqa: E402
from pytest_multiarch.core.manifest import StoredLayer  # noqa: E402
from pytest_multiarch.files.layer import read_layer  # noqa: E402
from pytest_multiarch.files.layer_cache import LayerCache  # noqa: E402

cache = LayerCache(Path(sys.argv[1]))
layers = []
for argument in sys.argv[2:]:
    path, digest, diff_id = argument.split("=")
    layer = cache.find(diff_id)
    if layer is None:
        with Path(path).open("rb") as stream:
            layer = read_layer(StoredLayer(digest=digest, diff_id=diff_id), stream)
        cache.keep(layer)
    layers.append(layer)
tree = FileTree.merge(layers)

took_s = time.perf_counter() - start_s
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(took_s, peak_mb - start_mb, len(tree))
