"""How tests expect an error: its whole message, because an untested message rots."""

import re

import pytest


def refusal(text, kind=ValueError):
    """The context that expects an error with exactly this message; it fails if none comes or another one."""
    return pytest.raises(kind, match=rf"\A{re.escape(text)}\Z")
