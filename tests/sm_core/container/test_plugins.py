"""Plugins in a container: the installed ones first, the core's own last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sm_core.container import fallback, hookspecs
from sm_core.container.plugins import container_plugins
from sm_core.plugins import PluginManager
from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ

PLUGIN = """
from sm_core.plugins import hookimpl

@hookimpl
def sm_train(environment):
    if environment.program == "mine":
        (environment.model_dir / "mine").touch()
        return True

@hookimpl
def sm_inference(environment):
    from sm_core.container.inference import InferenceHandler, Response

    class Handler(InferenceHandler):
        def handle(self, request):
            return Response(b"mine", "text/plain")

    return Handler() if environment.program == "mine" else None
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with an installed distribution that has a plugin."""
    folder = tmp_path / "site"
    information = folder / "zz_mine-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "zz_mine.py").write_text(PLUGIN, encoding="utf-8")
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zz-mine\nVersion: 1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text(
        "[sm_core.plugins]\nmine = zz_mine\n", encoding="utf-8"
    )
    return folder


def test_hook_sm_train(tmp_path: Path, site: Path) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": "print('run as a script')"})
    variables = {"PYTHONPATH": str(site)}
    taken = container.train(hyperparameters={"sagemaker_program": "mine"}, variables=variables)
    assert taken.exit_code == 0, taken.log
    assert (container.base / "model" / "mine").exists()
    left = container.train(hyperparameters={"sagemaker_program": "train.py"}, variables=variables)
    assert "run as a script" in left.log


def test_hook_sm_inference(tmp_path: Path, site: Path) -> None:
    variables = {"PYTHONPATH": str(site), "SAGEMAKER_PROGRAM": "mine"}
    with Container(tmp_path).serve(variables=variables) as server:
        assert server.invoke(b"").body == b"mine"


def test_a_broken_plugin_is_named_and_the_others_work(tmp_path: Path, site: Path) -> None:
    (site / "zz_mine.py").write_text("import no_such_thing", encoding="utf-8")
    container = Container(tmp_path)
    container.write_code({"train.py": "print('run as a script')"})
    ended = container.train(
        hyperparameters={"sagemaker_program": "train.py"}, variables={"PYTHONPATH": str(site)}
    )
    assert ended.exit_code == 0
    assert "run as a script" in ended.log
    assert "plugin 'mine' of zz-mine 1.0 was set aside: ModuleNotFoundError" in ended.log


def test_the_core_is_asked_last() -> None:
    implementations = container_plugins().hook.sm_train.get_hookimpls()
    assert implementations[0].plugin is fallback
    assert PluginManager(hookspecs, {"core": fallback}).hook.sm_inference.get_hookimpls()


def test_a_container_needs_no_client() -> None:
    code = (
        "import sys\n"
        "from sm_core.container.plugins import container_plugins\n"
        "import sm_core.container.training, sm_core.container.worker\n"
        "container_plugins()\n"
        "client = ('session', 'estimator', 'model', 'predictor', 'requests', 'jobs')\n"
        "unwanted = [f'sm_core.{name}' for name in client]\n"
        "unwanted += ['boto3', 'cattrs', 'rich', 'numpy', 'mxnet']\n"
        "print([name for name in unwanted if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
