"""Refuses scripts that AWS's images would not run as they are written.

AWS's newer images run a script as a program. One that only defines the framework's functions would
end at once there, with success and an empty model; so it is read before anything is uploaded.
"""

from __future__ import annotations

import re
from pathlib import Path

from sm_core.errors import ConfigurationError, SourceError
from sm_core.frameworks import Framework
from sm_core.scripts import defined_functions, runs_as_script

__all__ = ["calls_functions", "refuse_unserved", "refuse_untrained"]


def calls_functions(
    framework: Framework | None,
    *,
    version: str | None,
    script: Path | None,
    chosen: bool | None,
) -> bool | None:
    """Whether a container that knows both ways calls the script's functions, or runs it.

    Args:
        framework: None for a container of the user's own.
        version: the framework's; None for its default.
        script: the entry point; None where it cannot be read here.
        chosen: True to run the script, False to call its functions, None to leave it to the script.

    Returns:
        None where only the container can tell, and of frameworks that never call functions.
    """
    if framework is None or framework.functions is None:
        return None
    legacy = framework.function_mode_until is not None and not _knows_scripts_only(
        framework, version
    )
    if chosen is not None or legacy:
        return not chosen
    if script is None:
        return None
    try:
        return not runs_as_script(script, framework.functions)
    except SourceError:
        return None


def refuse_untrained(
    framework: Framework | None,
    *,
    version: str | None,
    script: Path | None,
    image: str,
    chosen: bool | None,
) -> None:
    """See that AWS's image trains with the script in the way in which it is written.

    Args:
        framework: None for a container of the user's own, which is the user's own affair.
        version: the framework's; None for its default.
        script: the entry point; None where it cannot be read.
        image: URI of the image.
        chosen: True to run the script, False to call its functions, None to leave it to the script.

    Raises:
        ConfigurationError: it would not; names the ways out.
        SourceError: the script is not valid Python 3, and the image's Python is.
    """
    if framework is None or framework.functions is None:
        return
    if not _knows_scripts_only(framework, version):
        if chosen:
            raise ConfigurationError(
                f"script_mode=True, but AWS's images of {framework.name} up to "
                f"{framework.function_mode_until} only call functions: name a later "
                "framework_version, or leave script_mode out"
            )
        return
    if script is None or _runs(script, framework, image, chosen):
        return
    why = (
        "script_mode=False is to call its functions" if chosen is False else "it defines functions"
    )
    raise ConfigurationError(
        f"{script.name} would not train on AWS: {why}, and AWS's images of {framework.name} from "
        f"after {framework.function_mode_until} run a script and call none. Either let it do its "
        'work when it is run, under `if __name__ == "__main__":` (script_mode=True says that it '
        f"does); or name framework_version={framework.function_mode_until!r}, with "
        "py_version='py3' where there is one; or an image of your own that calls them, with "
        "image_name=; or train on this machine, with train_instance_type='local'"
    )


def refuse_unserved(
    framework: Framework | None, *, version: str | None, script: Path | None
) -> None:
    """See that AWS's serving image calls the functions of the script that are meant to be called.

    Args:
        framework: None for a container of the user's own.
        version: the framework's; None for its default.
        script: the entry point; None where there is none or it cannot be read.

    Raises:
        ConfigurationError: it would not; names the ways out.
    """
    if framework is None or script is None or not _knows_scripts_only(framework, version):
        return
    unserved = sorted(framework.unserved_functions & defined_functions(script))
    if unserved:
        raise ConfigurationError(
            f"{script.name} defines {', '.join(unserved)}, which AWS's serving images of "
            f"{framework.name} from after {framework.function_mode_until} do not call. Either "
            f"name framework_version={framework.function_mode_until!r}; or an image of your own "
            "that calls them, with image=; or deploy on this machine, with instance_type='local'; "
            "or name a script without them, with entry_point="
        )


def _knows_scripts_only(framework: Framework, version: str | None) -> bool:
    named = version or framework.default_version
    last = framework.function_mode_until
    return last is not None and named is not None and _numbers(named) > _numbers(last)


def _runs(script: Path, framework: Framework, image: str, chosen: bool | None) -> bool:
    assert framework.functions is not None
    try:
        return runs_as_script(script, framework.functions, override=chosen)
    except SourceError:
        if "-py2" in image.rpartition(":")[2]:
            # Python 2 that this Python cannot read; the image can.
            return True
        raise


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
