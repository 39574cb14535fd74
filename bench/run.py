"""Runs the benchmarks, one process each, and gathers their figures: `python -m bench.run [NAME…]`.

Exit code 1 if a program failed; a goal that is missed is said in its row, and fails nothing.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = (
    "nft_apply",
    "first_dropped_packet",
    "order_to_drop",
    "cold_start",
    "throughput",
    "scan",
    "recall",
    "push",
    "reconnect",
    "inventory",
    "preview",
    "idle",
)
SECONDS = 900  # `idle` waits five minutes and measures five


def main(names: list[str]) -> int:
    """Run the named programs, or all, and write `bench/results.json`."""
    results: list[object] = []
    failed: list[str] = []
    for name in names or PROGRAMS:
        objects = _run(name)
        if objects is None:
            failed.append(name)
        else:
            results += objects
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str) -> list[object] | None:
    command = [sys.executable, "-m", f"bench.{name}", "--json"]
    try:
        done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"{name}: not over after {SECONDS} s", file=sys.stderr)
        return None
    print(done.stdout, end="")
    if done.returncode:
        print(f"{name}: {done.stderr}", file=sys.stderr)
        return None
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
