"""Names of Python 2 in scripts of its time: what they are called today.

Such a script may be valid Python 3, and fails only where it comes to the name.
"""

from __future__ import annotations

__all__ = ["todays_name"]

_MODULES = {
    "__builtin__": "builtins",
    "ConfigParser": "configparser",
    "cPickle": "pickle",
    "cStringIO": "io",
    "httplib": "http.client",
    "Queue": "queue",
    "StringIO": "io",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
}
_NAMES = {
    "basestring": "str",
    "file": "open",
    "long": "int",
    "raw_input": "input",
    "reduce": "functools.reduce",
    "reload": "importlib.reload",
    "unichr": "chr",
    "unicode": "str",
    "xrange": "range",
}
_METHODS = {
    "has_key": "in",
    "iteritems": "items",
    "iterkeys": "keys",
    "itervalues": "values",
}


def todays_name(error: BaseException) -> str | None:
    """A sentence, if `error` is about a name that Python 2 had; else None."""
    found: str | None = None
    if isinstance(error, ModuleNotFoundError):
        found = _MODULES.get(error.name or "")
    elif isinstance(error, AttributeError):
        found = _METHODS.get(error.name or "")
    elif isinstance(error, NameError):
        found = _NAMES.get(error.name or "")
    if found is None:
        return None
    assert isinstance(error, (ImportError, AttributeError, NameError))
    return f"{error.name} is Python 2, and {found} in Python 3, on which scripts run"
