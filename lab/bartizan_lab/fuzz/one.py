"""One target under atheris, as long as libFuzzer is told: `python -m bartizan_lab.fuzz.one NAME [OPTION…]`."""

import sys

import atheris

with atheris.instrument_imports(include=["bartizan_agent.discovery", "defusedxml", "xml.etree", "json"]):
    from bartizan_lab.fuzz.targets import check


def main() -> None:
    """Fuzz the target named first."""
    name = sys.argv[1]
    atheris.Setup([name, *sys.argv[2:]], lambda data: check(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
