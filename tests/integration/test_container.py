"""The real Dockerfile, built on a small Debian and run as its user would run it, without a Docker engine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "upwell-tests"
PACKAGES = "python3,python3-venv"
TOKEN = "in-the-container"
DEFINITIONS = """
    import pandas as pd
    from upwell import asset
    from upwell_sensors import webhook

    @asset(on=[webhook("orders", insecure=True)])
    def raw_orders(context) -> pd.DataFrame:
        print("computing")
        return pd.DataFrame([event.data for event in context.events])

    @asset
    def paid_orders(raw_orders: pd.DataFrame) -> pd.DataFrame:
        return raw_orders[raw_orders["paid"]]
"""


def run(*command: str | Path, timeout: float = 400, env: dict[str, str] | None = None) -> str:
    """What the command printed; a failure shows all of it."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def tools() -> None:
    """buildah and debootstrap, as root; where they are demanded, their absence is a failure."""
    missing = [tool for tool in ("buildah", "debootstrap", "tar") if shutil.which(tool) is None]
    if os.getuid() != 0:
        missing.append("root")
    if not missing:
        return
    if "container" in os.environ.get("UPWELL_TEST_REQUIRE", "").split(","):
        pytest.fail(f"the container test is required, and there is no {', no '.join(missing)}")
    pytest.skip(f"no {', no '.join(missing)}")


def mirror() -> tuple[str, str]:
    """The Debian archive that this machine uses, and its release."""
    targets = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages", "Origin: Debian"
    )
    for line in targets.splitlines():
        uri, codename = line.split()
        if re.fullmatch(r"[a-z]+", codename) and "security" not in uri:
            return uri, codename
    raise AssertionError(f"no Debian archive among: {targets}")


@pytest.fixture(scope="module")
def base_tarball(tools: None) -> Path:
    """A minimal Debian with Python; kept between runs for a week, since making it takes most of a minute."""
    uri, codename = mirror()
    name = hashlib.sha256(f"{uri} {codename} {PACKAGES}".encode()).hexdigest()[:16]
    tarball = CACHE / f"base-{name}.tar"
    if tarball.exists() and time.time() - tarball.stat().st_mtime < 7 * 24 * 3600:
        return tarball
    CACHE.mkdir(parents=True, exist_ok=True)
    rootfs, draft = CACHE / f"rootfs-{os.getpid()}", tarball.with_suffix(f".{os.getpid()}")
    try:
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, rootfs, uri)
        shutil.rmtree(rootfs / "var" / "cache" / "apt", ignore_errors=True)
        run("tar", "--numeric-owner", "-C", rootfs, "-cf", draft, ".")
        draft.rename(tarball)
    finally:
        shutil.rmtree(rootfs, ignore_errors=True)
        draft.unlink(missing_ok=True)
    return tarball


def pip_settings(folder: Path) -> list[str]:
    """Mounts that give pip inside the build this machine's index and certificates; nothing of it stays in the image."""
    lines = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    settings = {}
    for line in lines:
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = value.strip("'\"")
    config = folder / "pip.conf"
    # `pip config list` writes the lines of a multi-line value as \n.
    values = {name: value.replace("\\n", "\n    ") for name, value in settings.items()}
    config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))
    mounts = ["--volume", f"{config}:/etc/pip.conf:ro"]
    named = re.findall(r"(?:file://|(?<=\s)|^)(/[^\s'\"]+)", " ".join(settings.values()))
    # An index in a folder is PREFIX/simple, and its links lead elsewhere below PREFIX.
    for place in sorted({Path(path.removesuffix("/simple")) for path in named}):
        if place.exists():
            mounts += ["--volume", f"{place.resolve()}:{place}:ro"]
    return mounts


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs", "TMPDIR": str(folder)}
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]

    def command(self, *arguments: str | Path) -> list[str]:
        return ["buildah", *self._storage, *map(str, arguments)]

    def __call__(self, *arguments: str | Path) -> str:
        return run(*self.command(*arguments), env=self.env).strip()

    def import_base(self, tarball: Path) -> str:
        container = self("from", "scratch")
        self("add", container, tarball, "/")
        self("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        self("commit", "--rm", container, "localhost/base")
        return "localhost/base"


@pytest.fixture(scope="module")
def buildah(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    folder = tmp_path_factory.mktemp("buildah")
    buildah = Buildah(folder)
    yield buildah
    buildah("rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)  # gigabytes; pytest would keep them


@dataclass(frozen=True, kw_only=True)
class Image:
    """The image's own settings, and a working container of it with its root file system."""

    config: dict[str, Any]
    container: str
    root: Path


@pytest.fixture(scope="module")
def image(buildah: Buildah, base_tarball: Path) -> Image:
    base = buildah.import_base(base_tarball)
    mounts = pip_settings(buildah.folder)
    options = ["--format", "docker", "--network", "host", "--build-arg", f"BASE_IMAGE={base}", "--pull-never"]
    buildah("bud", *options, *mounts, "--tag", "localhost/upwell", "--file", ROOT / "Dockerfile", ROOT)
    config = json.loads(buildah("inspect", "--type", "image", "localhost/upwell"))["Docker"]["config"]
    # Copying the image takes seconds, so the tests share one copy and bring a volume of their own.
    container = buildah("from", "--pull-never", "localhost/upwell")
    return Image(config=config, container=container, root=Path(buildah("mount", container)))


class Container:
    """A container of the image with a volume, mounted definitions and a secret file, as config/compose.yaml has it."""

    def __init__(self, buildah: Buildah, image: Image, folder: Path) -> None:
        self.buildah = buildah
        self.image = image
        self.config = image.config
        self.data = folder / "data"
        self.data.mkdir()
        os.chown(self.data, 10001, 10001)
        (folder / "app").mkdir()
        (folder / "app" / "definitions.py").write_text(textwrap.dedent(DEFINITIONS))
        (folder / "api_tokens").write_text(f"operator:{TOKEN}\n")
        self.mounts = [
            *("--volume", f"{folder / 'app'}:/app:ro"),
            *("--volume", f"{folder / 'api_tokens'}:/run/secrets/api_tokens:ro"),
            *("--volume", f"{self.data}:/data"),
        ]
        self.errors = folder / "stderr.txt"
        self.port = ""
        self.process: subprocess.Popen[str] | None = None

    def command(self, *command: str, **env: str) -> list[str]:
        settings = [part for name, value in env.items() for part in ("--env", f"{name}={value}")]
        return self.buildah.command("run", *self.mounts, *settings, self.image.container, "--", *command)

    def start(self) -> None:
        """The image's entry point, until the service says that it is ready."""
        entry = [*self.config["Entrypoint"], *self.config["Cmd"], "-f", "definitions.py"]
        env = {"UPWELL_API_TOKENS_FILE": "/run/secrets/api_tokens", "UPWELL_PORT": "0"}
        self.process = subprocess.Popen(
            self.command(*entry, **env),
            env=self.buildah.env,
            stdout=subprocess.PIPE,
            stderr=self.errors.open("w"),
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if said["event"] == "service.ready":
                self.port = said["url"].rpartition(":")[2].strip("/")
                return
        raise AssertionError(f"the service ended before it was ready: {self.errors.read_text()[-4000:]}")

    def service(self) -> psutil.Process:
        """The service itself, below the processes of buildah."""
        assert self.process is not None
        below = psutil.Process(self.process.pid).children(recursive=True)
        entry = ["/opt/upwell/bin/python3", "/opt/upwell/bin/upwell"]
        return next(process for process in below if process.cmdline()[:2] == entry)

    def check_health(self) -> subprocess.CompletedProcess[bytes]:
        """The image's own health check, as its user in its file system.

        Not by a second `buildah run`, whose end might touch the mounts of the first.
        """
        env = dict(setting.split("=", 1) for setting in self.config["Env"]) | {"UPWELL_PORT": self.port}
        command = ["chroot", "--userspec=10001:10001", self.image.root, *self.config["Healthcheck"]["Test"][1:]]
        return subprocess.run(command, env=env, capture_output=True, check=False)

    def stop(self) -> int:
        """SIGTERM to the service, and its exit code."""
        assert self.process is not None
        self.service().send_signal(signal.SIGTERM)
        self.process.communicate(timeout=40)
        return self.process.returncode

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", timeout=10, **options)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.kill()
            self.process.kill()
            self.process.wait()


@pytest.fixture
def container(buildah: Buildah, image: Image, tmp_path: Path) -> Iterator[Container]:
    container = Container(buildah, image, tmp_path)
    yield container
    container.end()


def materialized(container: Container, asset: str) -> bool:
    answer = container.request("GET", f"/api/v1/assets/{asset}", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["last_materialization"] is not None


def test_a_webhook_to_the_container_makes_assets_fresh_and_sigterm_ends_it_well(container: Container) -> None:
    container.start()
    assert container.service().uids().real == 10001

    answer = container.request("POST", "/webhooks/orders", json={"order": 1, "paid": True})
    assert answer.status_code == 202, answer.text

    deadline = time.monotonic() + 20
    while not materialized(container, "paid_orders"):
        assert time.monotonic() < deadline, container.errors.read_text()[-4000:]
        time.sleep(0.05)
    assert container.request("GET", "/api/v1/assets").status_code == 401, "without a token the API is closed"
    check = container.check_health()
    assert check.returncode == 0, check.stderr

    assert container.stop() == 0, container.errors.read_text()[-4000:]
    assert (container.data / "upwell.db").exists(), (
        sorted(map(str, container.data.rglob("*"))),
        sorted(map(str, (container.image.root / "data").rglob("*"))),
    )


def test_the_service_writes_only_to_its_volume_and_tmp(container: Container) -> None:
    container.start()
    container.request("POST", "/webhooks/orders", json={"order": 1, "paid": True}).raise_for_status()
    started = container.service().create_time()
    assert container.stop() == 0
    top = [path for path in container.image.root.iterdir() if path.name not in {"tmp", "data", "proc", "sys", "dev"}]
    written = [
        path
        for folder in top
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime > started
    ]
    assert written == []


def test_without_a_token_the_container_refuses_to_open_its_api(container: Container) -> None:
    entry = [*container.config["Entrypoint"], *container.config["Cmd"], "-f", "definitions.py"]
    done = subprocess.run(
        container.command(*entry), env=container.buildah.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "UPWELL_API_TOKENS" in done.stderr + done.stdout
