"""What the set-up chooses, builds and keeps, with stubs for what takes long; and the way into a private root."""

import os
import pwd
import subprocess
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]


def shell(script, **environment):
    """Run a script after the set-up's functions, in a clean shell."""
    text = f'set -u\nhere="{ROOT}"\n. "{ROOT}/.ci/environment.sh"\n{script}'
    return subprocess.run(
        ["bash", "-c", text], env=os.environ | {"SUITE": "trixie"} | environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "content", "mirror"),
    [
        ("sources.list", "# comment\ndeb http://one.example/debian bookworm main\n", "http://one.example/debian"),
        ("sources.list", "deb [signed-by=/k.gpg arch=amd64] https://two.example/d bookworm main\n", "https://two.example/d"),
        (
            "sources.list.d/debian.sources",
            "Types: deb\n# a comment\nURIs: http://three.example/debian\nSuites: bookworm bookworm-updates\n"
            "\nTypes: deb\nURIs: http://security.example\nSuites: bookworm-security\n",
            "http://three.example/debian",
        ),
        (
            "sources.list.d/other.sources",
            "Types: deb\nURIs: https://other.example/x\nSuites: nodistro\n\nTypes: deb\nURIs: http://four.example/debian\n"
            "Suites: bookworm\nComponents: main\n",
            "http://four.example/debian",
        ),
        ("sources.list", "deb http://other.example/y jammy main\n", ""),
    ],
)  # fmt: skip
def test_mirror_is_the_hosts_own(tmp_path, name, content, mirror):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(content)
    override = "os_release() { case $1 in ID) echo debian;; VERSION_CODENAME) echo bookworm;; esac; }\n"
    assert shell(override + "debian_mirror", APT_FOLDER=str(tmp_path)).stdout.strip() == mirror


def test_every_list_has_what_others_have():
    """The packages that are optional: by their names in pyproject.toml, in Debian and in conda-forge."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    debian = shell("echo $debian_packages").stdout.split()
    conda = (ROOT / "environment.yml").read_text().split()
    for item in (*table["files"], *table["pictures"]):
        name = item.partition(">")[0]
        assert f"python3-{name}" in debian, name
        assert {name, f"python-{name}"} & set(conda), name


NOWHERE = "try_host() { return 1; }; try_apt() { return 1; }; try_conda() { return 1; }\n"
BUILDER = NOWHERE + (
    "debian_mirror() { echo http://x; }; id() { echo 0; }; unshare() { :; }\n"
    'bootstrap() { mkdir -p "$1/usr/lib/scaling-limits"; echo bootstrap >> "$base/calls"; }\nfurnish() { :; }\n'
)
LIST = "mark() { echo ${THE_LIST:-111}; }\n"


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("debian_mirror() { return 1; }", "no Debian mirror"),
        ("id() { echo 1000; }; unshare() { return 1; }", "rights of root"),
        ("unshare() { return 1; }", "mount namespace"),
        (
            '. "$here/.ci/private_root.sh"; borrow() { borrowed=; }; in_build_namespace() { mkdir -p "$1/debootstrap"; '
            'echo tar: no space > "$1/debootstrap/debootstrap.log"; return 1; }',
            "debootstrap failed: tar: no space",
        ),
        ("furnish() { echo no route > $log; return 1; }", "could not be furnished: no route"),
        ("PYTHON=/nonexistent/python", "PYTHON=/nonexistent/python cannot be run"),
        ("suite=../elsewhere", "no name of a Debian suite"),
        ("base=/proc/nowhere", "XDG_CACHE_HOME"),
    ],
)
def test_set_up_says_what_is_missing(tmp_path, override, error):
    done = shell(BUILDER + LIST + override + "\nensure_environment", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 69
    assert error in done.stderr
    assert "remedy:" in done.stderr
    assert not (tmp_path / "scaling-limits" / "trixie-111").exists()


def test_cache_without_a_home_or_with_a_relative_name():
    """HOME may be unset, or the top folder; the standard has relative names of the cache ignored."""
    own = Path("~" + pwd.getpwuid(os.getuid()).pw_name).expanduser()
    for script, folder in (("unset HOME XDG_CACHE_HOME", own), ("HOME=/; XDG_CACHE_HOME=relative", Path("/"))):
        done = shell(f'{script}; . "$here/.ci/environment.sh"; echo $base')
        assert done.stdout.strip() == str(folder / ".cache" / "scaling-limits"), done.stderr


def test_each_list_of_packages_has_its_root(tmp_path):
    """Two checkouts with different lists take turns, and each root is built once."""
    script = (
        BUILDER + LIST + "for THE_LIST in 111 222 111 222; do ensure_environment; echo $kind ${root##*/} $built; done"
    )
    done = shell(script, XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.splitlines() == [
        "root trixie-111 yes",
        "root trixie-222 yes",
        "root trixie-111",
        "root trixie-222",
    ]
    assert (tmp_path / "scaling-limits" / "calls").read_text().split() == ["bootstrap"] * 2


def test_failed_update_keeps_the_root_that_works(tmp_path):
    cache = tmp_path / "scaling-limits"
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    assert shell(BUILDER + LIST + "ensure_environment", **home).returncode == 0
    (cache / "trixie-111" / "kept").touch()
    offline = BUILDER + LIST + "THE_LIST=222\nfurnish() { echo try >> $base/tries; echo no route > $log; return 1; }\n"
    refused = shell(offline + "set_up=yes; ensure_environment", **home)  # a set-up says that it did not do it
    assert refused.returncode == 69
    assert "no route" in refused.stderr
    assert "trixie-111 works as before" in refused.stderr
    for _ in range(2):  # a command goes on, and the network is not tried again at each
        done = shell(offline + "ensure_environment; echo $kind ${root##*/}", **home)
        assert done.stdout.split() == ["root", "trixie-111"], done.stderr
        assert "warning: no root for the present list of packages" in done.stderr
    assert (cache / "tries").read_text().split() == ["try"]
    assert (cache / "trixie-111" / "kept").exists()
    online = shell(BUILDER + LIST + "THE_LIST=222 set_up=yes; ensure_environment; echo ${root##*/} $built", **home)
    assert online.stdout.split() == ["trixie-222", "yes"], online.stderr
    after = shell(BUILDER + LIST + "THE_LIST=222; ensure_environment; echo ${root##*/}", **home)
    assert (after.stdout.strip(), after.stderr) == ("trixie-222", "")


def test_partial_root_is_never_taken_for_a_whole_one(tmp_path):
    """A build that is killed leaves nothing under the final name, and the next one starts afresh."""
    cache = tmp_path / "scaling-limits"
    fresh = 'bootstrap() { [ ! -e "$1" ] && mkdir -p "$1/usr" || fail left-over left-over; }\n'
    done = shell(BUILDER + LIST + fresh + "furnish() { kill -9 $$; }\nensure_environment", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode != 0
    assert [path.suffix for path in cache.glob("trixie-111*")] == [".partial"]
    done = shell(BUILDER + LIST + fresh + "ensure_environment; echo $kind $built", XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.strip() == "root yes", done.stderr
    assert [path.name for path in cache.glob("trixie-111*")] == ["trixie-111"]
    again = shell(
        BUILDER + LIST + "furnish() { exit 9; }\nensure_environment; echo $kind $built", XDG_CACHE_HOME=str(tmp_path)
    )
    assert again.stdout.strip() == "root"


def earlier_root(cache, mark):
    """A root as earlier versions built it: one for a suite, the tools of PyPI in /opt."""
    old = cache / "trixie"
    (old / "opt" / "tools" / "bin").mkdir(parents=True)
    (old / "usr" / "lib").mkdir(parents=True)
    (old / "opt" / "whole").write_text(f"{mark}\n")
    (old / "opt" / "tools" / "bin" / "pytest").write_text("#!/opt/tools/bin/python\nprint(1)\n")
    (old / "srv").mkdir()
    (old / "srv" / "result.txt").touch()
    return old


def test_root_of_an_earlier_version_is_used_on(tmp_path):
    """It does not move, and what is in its old places stays, since an earlier version may be at work in it."""
    old = earlier_root(tmp_path / "scaling-limits", 111)
    node = old.stat().st_ino
    script = BUILDER + LIST + "ensure_environment; echo $kind ${root##*/} $built"
    done = shell(script, XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.split() == ["root", "trixie-111"], done.stderr
    assert "srv/result.txt" in done.stderr  # a file that nobody would find otherwise
    assert old.stat().st_ino == node == (old.parent / "trixie-111").stat().st_ino
    assert (old / "usr/lib/scaling-limits/bin/pytest").read_text().startswith("#!/usr/lib/scaling-limits/bin/python\n")
    assert (old / "opt/tools/bin/pytest").read_text().startswith("#!/opt/tools/bin/python\n")
    assert (shell(script, XDG_CACHE_HOME=str(tmp_path)).stderr, (old / "opt/whole").read_text()) == ("", "111\n")
    # the earlier version gives the root another list: it is no longer ours, and stays as it is
    (old / "opt" / "whole").write_text("333\n")
    done = shell(script, XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.split() == ["root", "trixie-111", "yes"], done.stderr
    assert not (old.parent / "trixie-111").is_symlink()
    assert (old / "opt" / "whole").read_text() == "333\n"


def test_failed_update_goes_on_in_the_root_of_an_earlier_version(tmp_path):
    old = earlier_root(tmp_path / "scaling-limits", 333)
    script = (
        BUILDER + LIST + "furnish() { echo no route > $log; return 1; }\nensure_environment; echo $kind ${root##*/}"
    )
    done = shell(script, XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.split() == ["root", "trixie-333"], done.stderr
    assert "warning: no root for the present list of packages" in done.stderr
    assert (old / "opt/tools/bin/pytest").exists()


def test_what_nobody_uses_is_removed(tmp_path):
    """After a month without use, but never while a process is in it or somebody builds it, nor what an earlier version built."""
    cache = tmp_path / "scaling-limits"
    for name in ("trixie-1", "trixie-2", "trixie-3", "host-4", "sid-5", "trixie-6.77.partial", "trixie-7.77.partial"):
        (cache / name).mkdir(parents=True)
        (cache / name / ".whole").touch()
    earlier_root(cache, 8)
    (cache / "trixie-8").symlink_to("trixie")
    (cache / "trixie" / ".whole").touch()
    script = """
    touch -d '40 days ago' "$base"/{trixie-[1358],host-4,sid-5}/.whole "$base"/*.partial
    (exec 8< "$base/trixie-3/.whole"; flock -s 8; touch "$base/in"; sleep 60) & user=$!
    (exec 9> "$base/lock-trixie-7"; flock 9; touch "$base/building"; sleep 60) & builder=$!
    until [ -e "$base/in" ] && [ -e "$base/building" ]; do sleep 0.01; done
    remove_unused "$base/trixie-1"
    kill $user $builder"""
    done = shell(script, XDG_CACHE_HOME=str(tmp_path))
    left = {path.name for path in cache.iterdir() if path.is_dir()}
    assert left == {"trixie-1", "trixie-2", "trixie-3", "trixie-7.77.partial", "trixie", "trixie-8"}, done.stderr


def test_second_set_up_says_that_it_waits(tmp_path):
    script = BUILDER + LIST + "furnish() { touch $base/busy; sleep 2; }\n"
    script += "ensure_environment & until [ -e $base/busy ]; do sleep 0.01; done; ensure_environment; echo $kind; wait"
    done = shell(script, XDG_CACHE_HOME=str(tmp_path))
    assert "another set-up is at work" in done.stderr
    assert done.stdout.strip() == "root"
    assert (tmp_path / "scaling-limits" / "calls").read_text().split() == ["bootstrap"]


@pytest.mark.parametrize(("answer", "calls"), [("", []), ("no", []), ("yes", ["update", "install"])])
def test_nothing_is_installed_on_the_system_unasked(tmp_path, answer, calls):
    """A script, which has no terminal to be asked on, goes on to the ways that leave the system as it is."""
    script = (
        BUILDER
        + LIST
        + (
            ". $here/.ci/environment.sh; archive_has_fenicsx() { :; }; try_conda() { return 1; }; whole_root() { return 1; }\n"
            'apt-get() { echo "$1" >> "$base/apt"; }; env() { shift; "$@"; }; try_root() { kind=root; }\n'
            "try_host() { [ -e $base/apt ] && kind=host; }; id() { echo 0; }\nensure_environment; echo $kind"
        )
    )
    done = shell(script, XDG_CACHE_HOME=str(tmp_path), SCALING_LIMITS_INSTALL=answer)
    assert done.stdout.strip() == ("host" if answer == "yes" else "root"), done.stderr
    made = tmp_path / "scaling-limits" / "apt"
    assert (made.read_text().split() if made.exists() else []) == calls
    assert ("SCALING_LIMITS_INSTALL=yes" in done.stderr) == (answer == "")


def test_password_of_the_index_is_on_no_command_line(tmp_path):
    script = (
        BUILDER
        + LIST
        + (
            ". $here/.ci/private_root.sh; apt-config() { :; }; mkdir -p $base/r/etc/ssl/certs $base/r/etc/apt/apt.conf.d\n"
            "name=x; log=$base/log; touch $base/r/etc/ssl/certs/ca-certificates.crt\n"
            'in_bare_root() { echo "$*" >> $base/commands; echo "$PIP_INDEX_URL" >> $base/seen; }; furnish $base/r'
        )
    )
    done = shell(
        f"mkdir -p {tmp_path}/scaling-limits;" + script,
        XDG_CACHE_HOME=str(tmp_path),
        PIP_INDEX_URL="https://u:secret@x/s",
    )
    assert "secret" not in (tmp_path / "scaling-limits" / "commands").read_text(), done.stderr
    assert "https://u:secret@x/s" in (tmp_path / "scaling-limits" / "seen").read_text()


def test_conda_is_taken_before_a_private_root(tmp_path):
    conda = tmp_path / "bin" / "mamba"
    conda.parent.mkdir()
    conda.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nmkdir -p "$6/bin"; ln -s /bin/true "$6/bin/python"\n')
    conda.chmod(0o755)
    script = "try_host() { return 1; }; try_apt() { return 1; }; requirements() { :; }\n"
    script += "ensure_environment; echo $kind; ensure_environment; echo $kind"
    path = {"PATH": f"{conda.parent}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path)}
    done = shell(script, **path)
    assert done.stdout.split() == ["conda", "conda"], done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 1  # the second time it was there
    assert "--file" in (tmp_path / "calls").read_text()


def test_kernels_are_compiled_again_for_their_own_files_only(tmp_path):
    for name, text in (("kernels", "from numba import njit"), ("forms", "import ufl")):
        for package in ("particles", "meshes", "cells", "pdes"):
            (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / "pdes" / f"{name}.py").write_text(text)
    script = f"""
    here={tmp_path}; state_of_kernels
    echo '# edited' >> $here/pdes/forms.py; state_of_kernels
    echo '# edited' >> $here/pdes/kernels.py; state_of_kernels
    echo 'import numba' > $here/pdes/more.py; state_of_kernels"""
    first, other_edited, edited, more = shell(script).stdout.split()
    assert first == other_edited
    assert len({first, edited, more}) == 3


def test_command_runner_passes_everything_through():
    """Standard input, arguments with spaces, the exit status."""
    runner = str(ROOT / "in-env")
    done = subprocess.run([runner, "sh", "-c", 'cat; echo "$1"; exit 7', "-", "a  b"], input="in\n", text=True, capture_output=True)  # fmt: skip
    assert (done.stdout, done.returncode) == ("in\na  b\n", 7)
    assert subprocess.run([runner], capture_output=True).returncode == 64
    assert subprocess.run([runner, "--set-up"], capture_output=True).returncode == 0


def test_command_runner_explains_itself():
    runner = str(ROOT / "in-env")
    shown = subprocess.run([runner, "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert all(
        word in shown.stdout for word in ("--set-up", "SUITE", "PYTHON", "SCALING_LIMITS_INSTALL", "XDG_CACHE_HOME")
    )
    assert "set -u" not in shown.stdout
    wrong = subprocess.run([runner, "--no-such-option"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert "--set-up" in wrong.stderr
