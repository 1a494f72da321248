"""Memory that served one document serves the next."""

from __future__ import annotations

import ctypes
import gc
import resource

import pytest

from core import memory

DOCUMENT = 16 * 1024 * 1024
PAGES = DOCUMENT // resource.getpagesize()


def faults_of_a_document() -> int:
    """How many pages a document of new memory costs."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    document = b"x" * DOCUMENT
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert len(document) == DOCUMENT
    return faults


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc's"
)
def test_freed_memory_is_not_faulted_in_again() -> None:
    """The second document lies where the first one lay."""
    with memory.tuned():
        faults_of_a_document()
        assert faults_of_a_document() < PAGES / 4


def test_the_collector_is_as_before_afterwards() -> None:
    """A process that goes on collects as it did."""
    before = gc.get_threshold()
    with memory.tuned():
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before
