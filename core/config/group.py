"""What every group of properties is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Properties that share the beginning of their name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
