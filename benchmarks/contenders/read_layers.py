"""Read layers of an image as an audit does; print how long it took, and how much memory.

python read_layers.py CACHE FILE=DIGEST=DIFF_ID...
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def read_peak_mb() -> float:
    """Read the greatest resident size of this process: `ru_maxrss` counts its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


start_mb = read_peak_mb()
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_multiarch.core.filetree import FileTree  # noqa: E402
from pytest_multiarch.core.manifest import StoredLayer  # noqa: E402
from pytest_multiarch.files.layer import read_layer  # noqa: E402
from pytest_multiarch.files.layer_cache import LayerCache  # noqa: E402

start_s = time.perf_counter()
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
print(took_s, read_peak_mb() - start_mb, len(tree))
