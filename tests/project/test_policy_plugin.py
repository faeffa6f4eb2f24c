"""`examples/policy_plugin`: completes, refuses, and stops everything when it is broken."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.integ

ROOT = Path(__file__).parents[2]

PROGRAM = """
import boto3
from sm_core import Estimator, Model, Network, Session, SMError

session = Session(boto3.Session(region_name="eu-central-1"))
ROLE = "arn:aws:iam::111122223333:role/SageMakerRole"
AWS = "763104351884.dkr.ecr.eu-central-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
MIRROR = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"


def training(image=AWS, **options):
    estimator = Estimator(
        image, ROLE, 1, "ml.c5.xlarge", output_path="s3://b/p", sagemaker_session=session, **options
    )
    return estimator


def refused(call):
    try:
        call()
    except SMError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("not refused")
"""

RULES = (
    PROGRAM
    + """
import os
assert "the tag 'cost-centre' is missing" in refused(training().training_request)
made = training(tags={"cost-centre": "17"}).training_request()
assert {tag["Key"]: tag["Value"] for tag in made["Tags"]} == {
    "cost-centre": "17", "managed-by": "acme-policy"
}
os.environ["ACME_COST_CENTRE"] = "4711"
made = training(environment={"Image": AWS}).training_request()
assert {"Key": "cost-centre", "Value": "4711"} in made["Tags"]
assert made["VpcConfig"]["Subnets"] == ["subnet-0acme0a", "subnet-0acme0b"]
image = made["AlgorithmSpecification"]["TrainingImage"]
assert image == MIRROR + "/mxnet-training:1.9.0-cpu-py38"
assert made["Environment"] == {"Image": AWS}
foreign = Network(subnets="subnet-1", security_groups="sg-1")
# Nothing is asked of AWS before the refusal: there are no credentials here.
message = refused(training(network=foreign).fit)
assert message.startswith("ConfigurationError: Acme's policy refuses CreateTrainingJob"), message
assert "it must run in subnet-0acme0a" in message
model = Model("s3://b/m.tar.gz", ROLE, image="docker.io/own:1", sagemaker_session=session)
assert "docker.io/own:1 is not from" in refused(lambda: model.model_request("ml.c5.xlarge"))
print("held")
"""
)

BROKEN = (
    PROGRAM
    + """
print(refused(training().training_request))
print(refused(training().fit))
print(refused(lambda: session.client("s3").create_bucket(Bucket="b")))
"""
)


class Environment:
    """A virtual environment away from the repository, without an AWS account."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.variables = {
            **kept,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "200",
            "PYTHONSAFEPATH": "1",
        }

    def run(self, command: str, *arguments: str | Path) -> str:
        """What a command of the environment prints; fails with its output if it does."""
        answer = subprocess.run(
            [self.folder / "venv" / "bin" / command, *arguments],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("policy"))
    constraints = ROOT / "constraints.txt"
    pip = ("-m", "pip", "install", "--quiet", "--constraint", constraints)
    made.run("python", *pip, ROOT, ROOT / "examples" / "policy_plugin")
    return made


@pytest.mark.timeout(600)
def test_it_is_a_plugin_like_others(environment: Environment) -> None:
    listed = environment.run("sm", "plugins")
    assert "acme-policy" in listed
    assert "sm_check_request" in listed


@pytest.mark.timeout(600)
def test_its_rules_hold_and_nothing_is_uploaded_before_a_refusal(environment: Environment) -> None:
    assert environment.run("python", "-c", RULES) == "held\n"


@pytest.mark.timeout(600)
def test_nothing_leaves_without_it_when_it_is_broken(environment: Environment) -> None:
    where = "import acme_policy.plugin as plugin; print(plugin.__file__)"
    module = Path(environment.run("python", "-c", where).strip())
    source = module.read_text(encoding="utf-8")
    module.write_text(
        source.replace("\nif TYPE_CHECKING", "\nimport no_such_module\nif TYPE_CHECKING")
    )
    try:
        lines = environment.run("python", "-c", BROKEN).splitlines()
    finally:
        module.write_text(source)
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("PluginError: plugin 'acme-policy' of acme-policy 1.0 was set aside")
        assert "No module named 'no_such_module'" in line
        assert line.endswith("uninstall it with: pip uninstall acme-policy")
