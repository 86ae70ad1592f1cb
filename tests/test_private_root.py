"""The way into a private root: every folder of the host is in its place, and what cannot land on the host is refused."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]
NAMESPACE = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]


@pytest.fixture(scope="module")
def little_root(tmp_path_factory):
    """A root with nothing but bash, in a folder of the host that is shared with it."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    root = tmp_path_factory.mktemp("root")
    for folder in (
        "usr/bin",
        "usr/lib64",
        "usr/lib/scaling-limits/bin",
        "usr/src",
        "etc",
        "var/lib/dpkg",
        "var/tmp",
        "srv",
    ):
        (root / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    bash = shutil.which("bash")
    shutil.copy(bash, root / "usr/bin/bash")
    for word in subprocess.run(["ldd", bash], capture_output=True, text=True, check=True).stdout.split():
        if word.startswith("/"):
            target = root / (Path(word).parent.resolve() / Path(word).name).relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, target)
    return root


def inside(root, script, folder="/tmp", home="/root", mounts="", base="/tmp"):
    """Run a script of bash in the root, entered from a folder of the host; what is mounted before is the host's."""
    enter = [
        "bash",
        "-c",
        f'{mounts}\ncd "$1" && shift && exec bash "$@"',
        "-",
        folder,
        str(ROOT / ".ci" / "enter_root"),
    ]
    command = [
        *NAMESPACE,
        "--propagation",
        "private",
        "--",
        *enter,
        str(root),
        str(ROOT),
        base,
        "WORD=a b",
        "bash",
        "-c",
        script,
    ]
    environment = os.environ | {"HOME": home, "LD_LIBRARY_PATH": "/nowhere", "PYTHONHOME": "/nowhere"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder_of_var():
    folder = Path("/var/tmp") / f"scaling-limits-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_results_land_where_they_say(little_root, folder_of_var, tmp_path):
    done = inside(
        little_root, f'echo "$WORD" > {folder_of_var}/result; echo 2 > {tmp_path}/result; pwd', str(folder_of_var)
    )
    assert done.stdout == f"{folder_of_var}\n", done.stderr
    assert "warning: /" not in done.stderr
    assert (folder_of_var / "result").read_text() == "a b\n"
    assert (tmp_path / "result").read_text() == "2\n"


@pytest.mark.parametrize("path", ["/result", "/etc/result", "/usr/result", "/usr/bin/result", "/var/lib/result"])
def test_what_would_be_lost_is_refused(little_root, path):
    done = inside(little_root, f"echo lost > {path}")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
    assert not (little_root / path[1:]).exists()


def test_tools_of_the_root_can_be_added_to(little_root):
    """They are below /usr, which no folder of the host covers; pip writes there."""
    assert inside(little_root, "echo 1 > /usr/lib/scaling-limits/new").returncode == 0
    assert (little_root / "usr/lib/scaling-limits/new").exists()


@pytest.mark.parametrize("folder", ["/", "/tmp", "/usr", "/etc", "/opt", "/var", "/proc"])
@pytest.mark.parametrize("home", ["/", "/nonexistent", ""])
def test_any_current_folder_and_home(little_root, folder, home):
    done = inside(little_root, 'echo "$PWD:${LD_LIBRARY_PATH-}:${PYTHONHOME-}"; type bash', folder, home)
    assert done.stdout.splitlines() == [f"{folder}::", "bash is /usr/bin/bash"], done.stderr
    own = folder in ("/usr", "/etc", "/var")
    assert ("that of the private Debian" in done.stderr) == own  # the host's is not seen there, and that is said


def test_folder_below_a_system_folder_is_shared_where_debian_has_nothing(little_root):
    """Whoever works in /usr/src finds his files; /usr/lib, where the root has its own, stays the root's."""
    mounts = "mount -t tmpfs none /usr/src && mkdir '/usr/src/a b\\c'"
    done = inside(little_root, "echo 1 > result && echo * && pwd", "/usr/src", mounts=f"{mounts} && touch /usr/src/old")
    assert done.stdout.splitlines() == ["a b\\c old result", "/usr/src"], done.stderr
    done = inside(little_root, "echo 1 > result && echo *; pwd", "/usr/src/a b\\c", mounts=mounts)
    assert done.stdout.splitlines() == ["result", "/usr/src/a b\\c"], done.stderr
    done = inside(little_root, "echo *", "/usr/lib")
    assert "scaling-limits" in done.stdout.split()


def test_every_other_folder_of_the_host_is_there(little_root):
    """Hidden ones and single files too; /lib is the root's, /library would be the user's."""
    tops = inside(little_root, "shopt -s dotglob; echo /*").stdout.split()
    host = {f"/{path.name}" for path in Path("/").iterdir() if path.exists() and not path.is_symlink()}
    assert host - {"/bin", "/sbin", "/lib32", "/libx32", "/libo32"} <= set(tops)
    script = f'. {ROOT}/.ci/enter_root; for name in lib library usr users et lib_32; do of_the_system "$name" && echo $name; done'
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split() == ["lib", "usr"]


def test_a_program_that_is_outside_only_is_named(little_root):
    enter = ["bash", str(ROOT / ".ci" / "enter_root"), str(little_root), str(ROOT), "/tmp"]
    for program, missing in (("git", "git"), ("pre-commit", "git")):
        done = subprocess.run([*NAMESPACE, "--", *enter, program, "status"], capture_output=True, text=True, cwd="/tmp")
        assert done.returncode == 127
        assert f"{missing} is not in the environment; run it outside" in done.stderr


def test_nothing_stays_mounted(little_root):
    before = Path("/proc/self/mountinfo").read_text()
    inside(little_root, "true")
    assert Path("/proc/self/mountinfo").read_text() == before
