"""The storage of fitted values, for the engines of this package."""

from lamppost.storage import SCHEMA, Fitted, fitted, load, pack, pack_json, save, unpack, unpack_json

__all__ = ["SCHEMA", "Fitted", "fitted", "load", "pack", "pack_json", "save", "unpack", "unpack_json"]
