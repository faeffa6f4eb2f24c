"""The AWS command line, in a shell that has evaluated what ``sm local env`` prints."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
#: More than twice the size from which the command line uploads in parts of 8 MiB.
LARGE = (17 << 20) + 1
NAMES = ("a", "b/a", "b c/ü ñ", "+&?%#=;@,'", "日本/🎉.txt", "~!()*$[]{}^`")
CREATE_TRAINING_JOB = f"""
aws sagemaker create-training-job --training-job-name "$1" --role-arn {ROLE} \
    --algorithm-specification TrainingImage=test,TrainingInputMode=File \
    --hyper-parameters "mode=$2,until=never" \
    --input-data-config "$CHANNELS" \
    --output-data-config S3OutputPath=s3://models/cli/ \
    --resource-config InstanceType=ml.c4.xlarge,InstanceCount=1,VolumeSizeInGB=1 \
    --stopping-condition MaxRuntimeInSeconds=600
"""
CHANNELS = json.dumps(
    [
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/input/"}
            },
        }
    ]
)

Bash = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bash(shared: Any, client_of_its_own: Any, shell_of_a_user: Any, tmp_path: Path) -> Bash:
    """Runs a script in the test's folder, with arguments; it must succeed unless told."""
    variables = shell_of_a_user(shared.home, client_of_its_own("awscli"))

    def run(script: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [
                "bash",
                "-c",
                f'set -e -o pipefail; eval "$(sm local env)"\n{script}',
                "bash",
                *arguments,
            ],
            cwd=tmp_path,
            env={**variables, "AWS_PAGER": "", "CHANNELS": CHANNELS},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_who_is_asking(bash: Bash, shared: Any) -> None:
    answer = json.loads(bash("aws sts get-caller-identity").stdout)
    assert answer["Account"] == "000000000000"
    assert answer["UserId"] == shared.home.credentials().access_key_id


def test_the_object_form_says_the_same(bash: Bash, client_of_its_own: Any) -> None:
    printed = bash("unset AWS_PROFILE; env -0; printf '==\\0'; sm local env --json").stdout
    shell, _, text = printed.partition("==\0")
    evaluated = dict(line.partition("=")[::2] for line in shell.split("\0") if line)
    for name, value in json.loads(text).items():
        assert evaluated.get(name) == value


def test_large_objects_go_up_and_come_back(bash: Bash, tmp_path: Path, shared: Any) -> None:
    data = os.urandom(LARGE)
    (tmp_path / "large").write_bytes(data)
    bash(
        """
        aws s3 mb s3://large
        aws s3 cp --no-progress large s3://large/file
        aws s3 cp --no-progress s3://large/file back
        aws s3 cp - s3://large/streamed < large
        aws s3 cp s3://large/streamed - > streamed
        aws s3 cp --no-progress s3://large/file s3://large/copied
        aws s3 mv --no-progress s3://large/copied s3://large/moved
        aws s3 cp --no-progress s3://large/moved moved
        """
    )
    for name in ("back", "streamed", "moved"):
        assert (tmp_path / name).read_bytes() == data
    client = shared.client("s3")
    tags = [
        client.head_object(Bucket="large", Key=k)["ETag"] for k in ("file", "streamed", "moved")
    ]
    assert [tag.strip('"').partition("-")[2] for tag in tags] == ["3", "3", "3"]
    listed = bash("aws s3 ls --summarize s3://large/").stdout
    assert listed.count(f" {LARGE} ") == 3
    assert "Total Objects: 3" in listed
    assert f"Total Size: {3 * LARGE}" in listed


def test_folders_are_synchronised(bash: Bash, tmp_path: Path, shared: Any) -> None:
    tree = tmp_path / "tree"
    for name in NAMES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name, encoding="utf-8")
    bash("aws s3 mb s3://folders; aws s3 sync --no-progress tree s3://folders/tree")
    pages = shared.client("s3").list_objects_v2(Bucket="folders")["Contents"]
    assert sorted(entry["Key"] for entry in pages) == sorted(f"tree/{name}" for name in NAMES)
    listed = bash("aws s3 ls --recursive s3://folders/tree/").stdout
    assert all(f" tree/{name}\n" in listed for name in NAMES)
    assert bash("aws s3 sync tree s3://folders/tree").stdout == ""
    (tree / "a").unlink()
    (tree / "b/a").write_text("something longer", encoding="utf-8")
    changed = bash("aws s3 sync --delete --no-progress tree s3://folders/tree").stdout
    assert sorted(line.partition(":")[0] for line in changed.splitlines()) == ["delete", "upload"]
    bash(
        """
        aws s3 sync --no-progress s3://folders/tree s3://folders/copy
        aws s3 sync --no-progress s3://folders/copy copy
        aws s3 sync --no-progress --exclude '*' --include 'b/*' s3://folders/tree part
        aws s3 rm --recursive s3://folders/tree
        """
    )
    assert contents(tmp_path / "copy") == contents(tree)
    assert contents(tmp_path / "part") == {"b/a": "something longer"}
    assert bash("aws s3 ls s3://folders").stdout.split() == ["PRE", "copy/"]
    bash("aws s3 rb --force s3://folders")
    assert "folders" not in bash("aws s3 ls").stdout


def test_a_presigned_address_is_read_by_anybody(bash: Bash, shared: Any) -> None:
    name = "b c/ü+&?%#='"
    shared.upload({name: "content"}, bucket="presigned")
    address = bash('aws s3 presign "s3://presigned/$1"', name).stdout.strip()
    with build_opener(ProxyHandler({})).open(address) as answer:
        assert answer.read() == b"content"


def test_errors_are_in_awss_words(bash: Bash, shared: Any) -> None:
    shared.upload({"key": "content"}, bucket="full")
    for command, words in {
        "aws s3 ls s3://nowhere": "(NoSuchBucket) when calling the ListObjectsV2 operation",
        "aws s3 cp s3://full/nothing .": "(404) when calling the HeadObject operation",
        "aws s3 rb s3://full": "(BucketNotEmpty) when calling the DeleteBucket operation",
        "aws sagemaker describe-training-job --training-job-name nobody": (
            "(ValidationException) when calling the DescribeTrainingJob operation: Requested "
            "resource not found."
        ),
        "aws sagemaker list-domains": "SageMaker's operation ListDomains",
    }.items():
        # Whichever status: those of the command line's parts differ.
        done = bash(f"if {command}; then exit 9; fi")
        assert words in done.stderr


def test_a_training_job(bash: Bash, shared: Any) -> None:
    shared.upload({"input/numbers": "1 2 3"}, bucket="models")
    created = bash(CREATE_TRAINING_JOB, "cli-trains", "complete").stdout
    answer = json.loads(
        bash(
            """
            aws sagemaker wait training-job-completed-or-stopped --training-job-name cli-trains
            aws sagemaker describe-training-job --training-job-name cli-trains
            """
        ).stdout
    )
    assert answer["TrainingJobArn"] == json.loads(created)["TrainingJobArn"]
    assert answer["TrainingJobStatus"] == "Completed"
    archive = answer["ModelArtifacts"]["S3ModelArtifacts"]
    printed = bash(f"aws s3 cp {archive} - | tar xzO listing.json").stdout
    assert json.loads(printed) == {"train/numbers": "1 2 3"}
    listed = bash(
        "aws sagemaker list-training-jobs --name-contains cli-trains --status-equals Completed "
        "--query 'TrainingJobSummaries[].TrainingJobName' --output text"
    )
    assert listed.stdout == "cli-trains\n"
    events = bash(
        "aws logs filter-log-events --log-group-name /aws/sagemaker/TrainingJobs "
        "--log-stream-name-prefix cli-trains/ --filter-pattern '\"training: complete\"' "
        "--query 'events[].message' --output text"
    )
    assert events.stdout == "training: complete\n"


def test_a_training_job_is_stopped(bash: Bash, shared: Any) -> None:
    shared.upload({"input/numbers": "1 2 3"}, bucket="models")
    bash(CREATE_TRAINING_JOB, "cli-stops", "wait")
    shared.until(lambda: "waiting" in shared.log("cli-stops"))
    done = bash(
        """
        aws sagemaker stop-training-job --training-job-name cli-stops
        aws sagemaker wait training-job-completed-or-stopped --training-job-name cli-stops
        aws sagemaker describe-training-job --training-job-name cli-stops \
            --query TrainingJobStatus --output text
        """
    )
    assert done.stdout == "Stopped\n"


def test_an_endpoint(bash: Bash, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"hello")
    done = bash(
        f"""
        aws sagemaker create-model --model-name cli --execution-role-arn {ROLE} \
            --primary-container Image=test >&2
        aws sagemaker create-endpoint-config --endpoint-config-name cli --production-variants \
            VariantName=A,ModelName=cli,InitialInstanceCount=1,InstanceType=ml.c4.xlarge >&2
        aws sagemaker create-endpoint --endpoint-name cli --endpoint-config-name cli \
            --tags Key=team,Value=ours >&2
        aws sagemaker wait endpoint-in-service --endpoint-name cli
        aws sagemaker-runtime invoke-endpoint --endpoint-name cli --body fileb://body \
            --content-type text/csv --custom-attributes of=mine --target-variant A answer
        """
    )
    seen = json.loads((tmp_path / "answer").read_bytes())
    assert json.loads(done.stdout) == {
        "ContentType": "application/json",
        "InvokedProductionVariant": "A",
    }
    assert seen["body"] == "hello"
    assert seen["headers"]["content-type"] == "text/csv"
    assert seen["headers"]["x-amzn-sagemaker-custom-attributes"] == "of=mine"
    done = bash(
        """
        arn=$(aws sagemaker describe-endpoint --endpoint-name cli --query EndpointArn --output text)
        aws sagemaker list-tags --resource-arn "$arn" --query 'Tags[].Value' --output text
        aws sagemaker delete-endpoint --endpoint-name cli
        aws sagemaker wait endpoint-deleted --endpoint-name cli
        aws sagemaker delete-endpoint-config --endpoint-config-name cli
        aws sagemaker delete-model --model-name cli
        aws sagemaker list-endpoints --query 'Endpoints[].EndpointName' --output text
        aws sagemaker list-models --query 'Models[].ModelName' --output text
        """
    )
    assert done.stdout.split() == ["ours"]
