"""All that a running agent comes to import, at once: for whoever compiles it in advance, and for whoever counts it.

`python -m bartizan_agent.settled` imports it and ends.
"""

from importlib import import_module

from bartizan_agent import later

MODULES = (
    "bartizan_agent.cli.run",
    "bartizan_agent.logs",
    "bartizan_agent.app",
    "bartizan_agent.nftables.drift",
    "bartizan_agent.nftables.enforcer",
    "bartizan_agent.link",
    "bartizan_agent.discovery.watch",
    "bartizan_agent.cameras",
    "bartizan_agent.probe",
)
PASSING = ("bartizan_agent.no_fetcher", "bartizan_agent.server_files", "bartizan.trust.reading")
"""What a child, or a bad day, needs besides."""


def import_all(*besides: str) -> None:
    """Import what stays, and what is asked for besides."""
    later.put_off()
    for name in (*MODULES, *besides):
        import_module(name)


def main() -> None:
    """Import what stays and what does not."""
    import_all(*PASSING)
    from bartizan_agent import no_fetcher

    no_fetcher.stand_in()
    import_module("bartizan_agent.tuf_client")


if __name__ == "__main__":
    main()
