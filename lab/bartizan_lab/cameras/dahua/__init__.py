"""Dahua cameras, and those built by Dahua under other badges."""
