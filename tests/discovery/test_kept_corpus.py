"""What fuzzing once found worth keeping is read again by every parser, and so is what others' parsers kept."""

import pytest

from bartizan_lab.fuzz.targets import CORPUS, TARGETS, check, kept


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_are_read_or_refused(name: str) -> None:
    assert kept(name), f"no corpus: python -m bartizan_lab.fuzz {name} --keep"
    for data in (data for other in TARGETS for data in kept(other)):
        check(name, data)


def test_every_corpus_is_of_a_target() -> None:
    assert {path.stem for path in CORPUS.iterdir()} == set(TARGETS)
