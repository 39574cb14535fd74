"""Units that TVT and Xiongmai build for many badges."""
