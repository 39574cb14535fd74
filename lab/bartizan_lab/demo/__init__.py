"""The demonstration: the whole product does its job on two sites, and each claim is measured before it is made."""
