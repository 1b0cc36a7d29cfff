"""The work, in plain calls of docker-py, without pytest: nothing is checked, nothing compared."""

import os

import docker

EACH = int(os.environ["BENCHMARK_EACH"])
IMAGE = os.environ["BENCHMARK_IMAGE"]


def run_once(client: docker.DockerClient, platform: str, number: int) -> None:
    """Create, start, wait, read the log, remove."""
    command = ["app", "args", str(number)]
    container = client.containers.create(IMAGE, command, platform=platform)
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0
        assert container.logs(stdout=True, stderr=False) == f"{number}\n".encode()
        assert container.logs(stdout=False, stderr=True) == b""
    finally:
        container.remove(force=True, v=True)


def execute(client: docker.DockerClient, platform: str) -> None:
    """Execute many times in one container."""
    container = client.containers.create(IMAGE, ["app", "sleep", "3600"], platform=platform)
    try:
        container.start()
        for number in range(EACH):
            code, streams = container.exec_run(["app", "args", str(number)], demux=True)
            assert (code, streams[0]) == (0, f"{number}\n".encode())
    finally:
        container.remove(force=True, v=True)


def main() -> None:
    """Do the work on both platforms."""
    client = docker.from_env()
    for platform in ("linux/amd64", "linux/arm64"):
        for number in range(EACH):
            run_once(client, platform, number)
        execute(client, platform)


main()
