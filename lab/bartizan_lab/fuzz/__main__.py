"""Coverage-guided fuzzing of the parsers, by atheris: `python -m bartizan_lab.fuzz [NAME…] [--seconds N] [--keep]`.

Needs `pip install --group fuzz`. Every target runs in a process of its own, from the inputs kept in `corpus/`. `--keep`
adds the shortest of what reached new code; without it nothing is written. A crash or a hang ends the
run with the input that did it, in hexadecimal: mend the parser, and add the line to the corpus.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bartizan_lab.fuzz.targets import CORPUS, TARGETS, kept

LONGEST = 2048
"""Octets of one input. Longer ones reach no other code."""
KEPT_OCTETS = 300
KEPT_INPUTS = 40
"""Of one target, so that the repository stays small."""
HANG_SECONDS = 10


def main() -> int:
    """Fuzz the named targets, or all, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bartizan_lab.fuzz")
    parser.add_argument("names", nargs="*", choices=[*TARGETS, []], metavar="NAME")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--keep", action="store_true", help="add what reached new code to the corpus")
    arguments = parser.parse_args()
    failed = [name for name in arguments.names or TARGETS if not _fuzz(name, arguments.seconds, keep=arguments.keep)]
    if failed:
        _tell(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int, *, keep: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        corpus, crashes = Path(folder, "corpus"), Path(folder, "crashes")
        corpus.mkdir()
        crashes.mkdir()
        for number, data in enumerate(kept(name)):
            (corpus / f"kept{number}").write_bytes(data)
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={HANG_SECONDS}",
            f"-max_len={LONGEST}",
            f"-artifact_prefix={crashes}/",
            "-print_final_stats=1",
        ]
        done = _run(name, *options, str(corpus))
        executions = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
        _tell(f"{name}: {executions.group(1) if executions else 'no'} executions, exit {done.returncode}")
        for crash in crashes.iterdir():
            _tell(f"{name}: {crash.name.partition('-')[0]} by {crash.read_bytes().hex()}")
        if done.returncode:
            _tell(done.stderr[-2000:])
        elif keep:
            _keep(name, corpus)
        return done.returncode == 0


def _keep(name: str, corpus: Path) -> None:
    """Write what was kept before, and the shortest of what reached new code since."""
    before = kept(name)
    reached = {path.read_bytes() for path in corpus.iterdir()} - set(before)
    new = sorted((data for data in reached if 0 < len(data) <= KEPT_OCTETS), key=lambda data: (len(data), data))
    inputs = [*before, *new][: max(len(before), KEPT_INPUTS)]
    (CORPUS / f"{name}.hex").write_text("".join(f"{data.hex()}\n" for data in inputs), encoding="ascii")


def _run(name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bartizan_lab.fuzz.one", name, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
