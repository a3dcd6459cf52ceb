"""The table that keeps signal regions closed until a hunt is frozen: `[blind]`."""

from pydantic import Field

from lamppost.spec import Spec

__all__ = ["Blind"]


class Blind(Spec):
    """`[blind]`: without `--unblind` a hunt looks at what lies outside all windows of `[scan]`, and at nothing else."""

    train: bool = Field(
        True,
        description="train in the windows while they are closed, and judge these selections outside of all of them; "
        "if not, no event of a window is used for anything before it is opened",
    )
    least_p: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="p-value, counting all tests made while blind, below which nothing is opened without a reason",
    )
    certificate: str | None = Field(
        None, min_length=1, description="certificate of `lamppost calibrate` that must be about this hunt, and valid"
    )
