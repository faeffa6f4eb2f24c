"""Hand the user's package-index configuration over to ``uv``.

People configure pip: in files, in ``PIP_*`` variables. ``uv`` installs the environments and reads
none of that, so it is translated, with pip's rules for what overrides what
(https://pip.pypa.io/en/stable/topics/configuration/), unless the user has configured ``uv`` itself
(https://docs.astral.sh/uv/reference/environment/).
"""

from __future__ import annotations

import configparser
import os
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sm_core.errors import LocalServiceError

__all__ = [
    "PIP_VARIABLES",
    "credentials",
    "index_settings",
    "is_index_variable",
    "mask",
    "pip_config_files",
    "without_credentials",
    "without_transport",
]

#: The variables of pip's that `index_settings` translates.
PIP_VARIABLES = frozenset(
    f"PIP_{name}"
    for name in (
        "CERT",
        "CLIENT_CERT",
        "CONFIG_FILE",
        "DEFAULT_TIMEOUT",
        "EXTRA_INDEX_URL",
        "FIND_LINKS",
        "INDEX_URL",
        "KEYRING_PROVIDER",
        "NO_INDEX",
        "PROXY",
        "RETRIES",
        "TIMEOUT",
        "TRUSTED_HOST",
    )
)

#: What decides where packages come from: one of these, and pip's indexes are not looked at.
_SOURCES = {
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_NO_INDEX",
}
_CHOICES = re.compile(
    r"UV_(CONFIG_FILE|EXCLUDE_NEWER|INDEX_STRATEGY|NO_CONFIG|PRERELEASE|TORCH_BACKEND)"
)
_TRANSPORT = re.compile(
    r"UV_(CACHE_DIR|CONCURRENT_\w+|HTTP_RETRIES|HTTP_TIMEOUT|INDEX_\w+_(USERNAME|PASSWORD)"
    r"|INSECURE_HOST|KEYRING_PROVIDER|LINK_MODE|NATIVE_TLS|OFFLINE|SYSTEM_CERTS)"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|SSL_CLIENT_CERT|NETRC"
    r"|(ALL|HTTPS?|NO)_PROXY|(all|https?|no)_proxy"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s,]*@")
_LOGIN = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")
#: Variables whose value may be a URL without its scheme.
_PROXY = re.compile(r"(all|https?)_proxy", re.IGNORECASE)


def mask(text: str) -> str:
    """Return ``text`` with the user name and password of every URL in it replaced by ``***``."""
    return _CREDENTIALS.sub("***@", text)


def is_index_variable(name: str) -> bool:
    """Whether ``name`` is a variable that `index_settings` may return."""
    return bool(name in _SOURCES or _CHOICES.fullmatch(name) or _TRANSPORT.fullmatch(name))


def without_transport(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what of the settings decides what gets installed: no proxies, no passwords."""
    return {
        name: value
        for name, value in without_credentials(settings).items()
        if not _TRANSPORT.fullmatch(name)
    }


def without_credentials(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings without user names and passwords, in variables and in URLs."""
    return {
        name: _without_login(name, value)
        for name, value in settings.items()
        if not _LOGIN.fullmatch(name)
    }


def credentials(settings: Mapping[str, str]) -> dict[str, str]:
    """Return those of the settings, whole, that hold user names or passwords."""
    public = without_credentials(settings)
    return {name: value for name, value in settings.items() if public.get(name) != value}


def _without_login(name: str, value: str) -> str:
    if _PROXY.fullmatch(name) and "://" not in value:
        return value.rpartition("@")[2]
    return _CREDENTIALS.sub("", value)


def index_settings(
    environ: Mapping[str, str], config_files: Sequence[Path] | None = None
) -> dict[str, str]:
    """Return the variables with which ``uv`` reaches the packages that pip would.

    Variables of ``uv``, certificates and proxies are passed on as they are. pip's indexes are left
    aside when ``uv`` has been given some; every other option of pip's, when ``uv`` has been given
    its equivalent. ``UV_NO_INDEX`` in the result stands for the option ``--no-index``.

    Args:
        environ: the user's environment variables.
        config_files: pip's configuration files, later ones overriding; by default where pip looks.

    Raises:
        LocalServiceError: a configuration file has errors, in which case pip fails as well.
    """
    passed = {name: value for name, value in environ.items() if value and is_index_variable(name)}
    if config_files is None:
        config_files = pip_config_files(environ)
    options = _pip_options(environ, config_files)
    settings = dict(_transport(options, environ))
    if not _SOURCES & passed.keys():
        settings |= _sources(options)
    return settings | passed


def pip_config_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the files that pip would read, whether they exist or not; later ones override."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    shared = [Path(path) for path in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if path]
    files = [path / "pip" / "pip.conf" for path in shared] + [Path("/etc/pip.conf")]
    if sys.platform == "darwin":
        files = [Path("/Library/Application Support/pip/pip.conf")]
        library = home / "Library" / "Application Support"
        config = library if (library / "pip").is_dir() else config
    if not (named and os.path.exists(named)):
        files += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    files.append(Path(sys.prefix, "pip.conf"))
    return [*files, Path(named)] if named else files


def _pip_options(environ: Mapping[str, str], config_files: Sequence[Path]) -> dict[str, str]:
    """Return the options of ``pip install`` by their long names."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in config_files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, UnicodeDecodeError) as error:
            raise LocalServiceError(f"pip's configuration {path} has errors: {error}") from error
        for section in sections.keys() & set(parser.sections()):
            sections[section] |= {_option(key): value for key, value in parser.items(section)}
    variables = {
        _option(name.removeprefix("PIP_")): value
        for name, value in environ.items()
        if name.startswith("PIP_")
    }
    merged = sections["global"] | sections["install"] | {k: v for k, v in variables.items() if v}
    return {key: value.strip() for key, value in merged.items() if value.strip()}


def _option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _sources(options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if options.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"):
        yield "UV_NO_INDEX", "1"
    else:
        if index := options.get("index-url"):
            yield "UV_DEFAULT_INDEX", _url(index)
        if extra := options.get("extra-index-url", "").split():
            yield "UV_INDEX", " ".join(map(_url, extra))
            # pip takes the best version of all indexes; uv would stop at the first that has any.
            yield "UV_INDEX_STRATEGY", "unsafe-best-match"
    links = options.get("find-links", "").split()
    # pip passes over a folder that does not exist, uv fails.
    if existing := [place for place in map(_url, links) if not _is_missing(place)]:
        yield "UV_FIND_LINKS", ",".join(existing)


def _url(place: str) -> str:
    """Return a URL for a URL, or for a path, which may be relative to the working directory."""
    if re.match(r"[\w+.-]+:", place):
        return place
    return Path(place).expanduser().absolute().as_uri()


def _is_missing(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    path = urllib.request.url2pathname(parts.path)
    return parts.scheme == "file" and not os.path.exists(path)


def _transport(options: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    # requests, and so pip, reads these two; uv does not.
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if certificates := options.get("cert") or bundle:
        path = Path(certificates).expanduser().absolute()
        yield ("SSL_CERT_DIR" if path.is_dir() else "SSL_CERT_FILE"), str(path)
    if certificate := options.get("client-cert"):
        yield "SSL_CLIENT_CERT", str(Path(certificate).expanduser().absolute())
    if hosts := options.get("trusted-host", "").split():
        yield "UV_INSECURE_HOST", " ".join(hosts)
    if timeout := options.get("timeout") or options.get("default-timeout"):
        yield "UV_HTTP_TIMEOUT", timeout.partition(".")[0]
    if retries := options.get("retries"):
        yield "UV_HTTP_RETRIES", retries
    if proxy := options.get("proxy"):
        url = proxy if "://" in proxy else f"http://{proxy}"
        yield "HTTP_PROXY", url
        yield "HTTPS_PROXY", url
    if options.get("keyring-provider") == "subprocess":
        yield "UV_KEYRING_PROVIDER", "subprocess"
