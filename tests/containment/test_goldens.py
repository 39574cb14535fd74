"""The nft text that rulesets become, for a network engineer to read.

Rulesets stand above, the text below a line of dashes. `WRITE_GOLDENS=1 pytest …` writes what is printed now.
"""

import os
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.bridge import BRIDGED
from bartizan.containment.check import check
from bartizan.containment.listening import listening
from bartizan.containment.model import Ruleset
from bartizan.containment.render import difference, render
from bartizan.containment.rules import ROUTED

FOLDER = Path(__file__).parent / "goldens"
LINE = "----\n"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.golden")))
def test_a_ruleset_becomes_this_text(name: str) -> None:
    path = FOLDER / name
    *sources, expected = path.read_text(encoding="utf-8").split(LINE)
    rulesets = [msgspec.yaml.decode(source, type=Ruleset) for source in sources]
    for ruleset in rulesets:
        check(ruleset)

    layout = BRIDGED if name.startswith("bridge") else ROUTED
    if "listening" in name:
        layout = listening(layout, headers=True, names=True)
    text = render(rulesets[0], layout=layout) if len(rulesets) == 1 else difference(*rulesets, layout=layout)

    if os.environ.get("WRITE_GOLDENS"):
        path.write_text(LINE.join([*sources, text]), encoding="utf-8")
    else:
        assert text == expected
