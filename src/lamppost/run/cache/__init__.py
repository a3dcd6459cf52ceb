"""Artefacts that several runs share: who uses which, and what may go."""

from lamppost.run.cache.bound import Bound
from lamppost.run.cache.cache import Cache, shared_by
from lamppost.run.cache.collect import Collected, collect
from lamppost.run.cache.contents import contents
from lamppost.run.cache.users import Use, User, forget, users, using

__all__ = [
    "Bound",
    "Cache",
    "Collected",
    "Use",
    "User",
    "collect",
    "contents",
    "forget",
    "shared_by",
    "users",
    "using",
]
