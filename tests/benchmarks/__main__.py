"""`make bench`: every `bench_*.py` beside this file, measured here and printed as one table.

Times of this or that machine are nobody's promise: read ratios, and quote the machine.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from workbench.run import environment

HERE = Path(__file__).parent


def rows(file: Path) -> Iterator[tuple[str, str]]:
    """Yield what `measure()` of one benchmark yields: what was measured, and what came out."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    yield from module.measure()


def main() -> None:
    about = environment()
    print(f"{about['processor']}, {torch.get_num_threads()} threads, torch {about['torch']}\n", flush=True)
    print("| what | measured |\n|---|---|", flush=True)
    wanted = sys.argv[1:] or ["bench_"]
    for file in sorted(HERE.glob("bench_*.py")):
        if any(name in file.stem for name in wanted):
            for what, result in rows(file):
                print(f"| {what} | {result} |", flush=True)


if __name__ == "__main__":
    main()
