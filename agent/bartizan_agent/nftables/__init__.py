"""The packet filter in the kernel: one nftables table, owned whole."""
