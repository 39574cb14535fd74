"""Containment: levels, the ruleset model, and its rendering as nftables."""
