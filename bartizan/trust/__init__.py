"""Verify bytes, then parse, then trust: DSSE orders, the TUF catalogue, sealed secrets."""
