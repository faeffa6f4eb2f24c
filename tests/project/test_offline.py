"""The whole way without a network: in a network namespace that has nothing but loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sm_core.plugins import client_plugins
from sm_local.environments import ensure_environment
from sm_local.handover import environment_of
from sm_local.home import Home

pytestmark = pytest.mark.integ

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMESPACE = ["unshare", "--map-root-user", "--net"]
#: Brings loopback up, as `ip link set lo up` does, shows that nothing else is there, and goes on
#: as a Python program. https://man7.org/linux/man-pages/man7/netdevice.7.html
ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14s", b"lo", 1, b""))
assert [name for _, name in socket.if_nameindex()] == ["lo"]
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print("outside:", error.strerror)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def alone(*arguments: str | Path) -> str:
    """What a Python program prints that reaches loopback only, and whose children do, too."""
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-c", ALONE, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
def test_from_fit_to_delete_on_loopback_alone(tmp_path: Path) -> None:
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody make network namespaces")
    # Only what builds the environment may ask the package index.
    container = client_plugins().hook.sm_container(
        framework="mxnet", version=None, device="cpu", image=None, hosts=1, function_mode=None
    )
    home = Home.default()
    spec, wheels = environment_of(home, container)
    ensure_environment(home.path, spec, {each.sha256: each.path for each in wheels}, print)
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    program = folder / "alone.py"
    program.write_text(
        "import subprocess, sys\n"
        "import quickstart\n"
        "try:\n"
        "    quickstart.main()\n"
        "finally:\n"
        "    subprocess.run([sys.executable, '-m', 'sm_core.cli', 'local', 'down'], check=True)\n",
        encoding="utf-8",
    )
    output = alone(program)
    assert "outside: Network is unreachable" in output
    assert "building the environment" not in output
    accuracy = re.search(r"accuracy on 300 held-out digits: ([\d.]+)%", output)
    assert accuracy is not None, output
    assert float(accuracy[1]) > 85
    assert "The local service has ended." in output
