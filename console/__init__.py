"""The operators' command, `cmp-orders`, with the demo and the stand-in warehouse."""
