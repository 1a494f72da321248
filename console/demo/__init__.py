"""cmp-orders demo: orders go all the way on this machine alone, which is then checked."""

from console.demo.command import demo

__all__ = ["demo"]
