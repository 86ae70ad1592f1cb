# Finds or builds the environment that the project runs in; sourced by in-env, which sets $here (the checkout).
# Order: the host's own FEniCSx >= 0.9; what was built before; apt, when it may; conda; a private Debian root entered by chroot.
# Whatever is built lives under $base, by itself for each list of packages; a stamp, .whole, that is written last says
# that it is whole. What is whole is never changed, only left for another, and removed when nobody has used it for a month.

home=${HOME:-$(unset HOME; echo ~)}
case ${XDG_CACHE_HOME-} in /*) base=$XDG_CACHE_HOME/scaling-limits ;; *) base=${home%/}/.cache/scaling-limits ;; esac
suite=${SUITE:-trixie}
apt_folder=${APT_FOLDER:-/etc/apt}
debian_packages="python3-dolfinx-real python3-petsc4py-real python3-slepc4py-real python3-mpi4py python3-numba
 python3-scipy python3-sympy python3-matplotlib python3-pyvista python3-tqdm python3-xarray python3-h5py python3-gmsh
 python3-adios2-mpi python3-dev python3-venv python3-pip openmpi-bin gcc g++ xvfb xauth libgl1-mesa-dri libopenblas0-pthread"

say() { echo "scaling-limits: $*" >&2; }
fail() { say "error: $1"; say "remedy: $2"; exit 69; }
os_release() { (. /etc/os-release 2>/dev/null && eval "echo \"\${$1:-}\""); }
last_words() { tail -n "${2:-1}" "$1" 2>/dev/null; }

. "$here/.ci/private_root.sh"

# --- questions ---------------------------------------------------------------------------------------------

fenicsx_version() {  # PYTHON...: prints the version of its dolfinx when that is new enough
  "$@" -c '
import importlib.util, sys
if importlib.util.find_spec("dolfinx") is None:
    sys.exit(1)
import dolfinx, mpi4py, numba, petsc4py, scipy
if tuple(int(part) for part in dolfinx.__version__.split(".")[:2]) < (0, 9):
    sys.exit(1)
print(dolfinx.__version__)' 2>/dev/null
}

requirements() {  # PYTHON...: prints what the extras of pyproject.toml ask of PyPI, one a line
  "$@" -c '
import importlib.util, sys, tomllib
table = tomllib.load(sys.stdin.buffer)["project"]["optional-dependencies"]
extras = ["test", "bench", "docs"]  # a pyvista that is there is left alone: Debian has its own vtk, pip would shadow it
if importlib.util.find_spec("pyvista") is None:
    extras.append("pictures")
extras += ["files"] * any(importlib.util.find_spec(name) is None for name in ("xarray", "h5py", "gmsh"))
print("\n".join(item for name in extras for item in table[name]))' < "$here/pyproject.toml"
}

mark() {  # changes when the list of packages does
  { echo "$debian_packages"; cat "$here/environment.yml"; sed -n '/^\[project.optional/,/^\[tool/p' "$here/pyproject.toml"; } \
    | cksum | cut -d' ' -f1
}

state_of_kernels() {  # changes when a file that speaks of numba does: numba looks at the age of a function's own file, and not of
  # those of the functions that it calls, which are such files too (a test follows them); an edit elsewhere compiles nothing
  find "$here"/particles "$here"/meshes "$here"/cells "$here"/pdes -name '*.py' -print0 | sort -z | xargs -0 -r grep -lZ numba | xargs -0 -r cat | cksum | cut -d' ' -f1
}

archive_has_fenicsx() {  # does the archive of this system itself carry dolfinx >= 0.9?
  command -v apt-get >/dev/null 2>&1 || return 1
  local candidate
  case $(os_release ID) in
    debian) [ "$(os_release VERSION_ID | cut -d. -f1)" -ge 13 ] 2>/dev/null ;;
    ubuntu)
      candidate=$(apt-cache policy python3-dolfinx-real 2>/dev/null | sed -n 's/ *Candidate: *//p')
      dpkg --compare-versions "${candidate:-0}" ge 1:0.9 ;;
    *) return 1 ;;
  esac
}

may_install() {  # may packages be installed on this system itself? A terminal is asked, a script says so beforehand
  local answer=
  case ${SCALING_LIMITS_INSTALL-} in yes) return 0 ;; no) return 1 ;; esac
  if [ -t 0 ] && [ -t 2 ]; then
    read -r -p "scaling-limits: install FEniCSx and what it needs on this whole system, with apt? [y/N] " answer
    case $answer in [yY]*) return 0 ;; esac
  else
    say "apt could install FEniCSx on this whole system; that is done with SCALING_LIMITS_INSTALL=yes only"
  fi
  return 1
}

debian_mirror() {  # the first address in the host's own apt sources that serves its release
  local codename; codename=$(os_release VERSION_CODENAME)
  [ "$(os_release ID)" = debian ] || return 1
  cat "$apt_folder/sources.list" "$apt_folder"/sources.list.d/*.list 2>/dev/null | sed 's/\[[^]]*\] *//' \
    | awk -v codename="$codename" '$1 == "deb" && $3 == codename { print $2; exit }' | grep . && return
  for sources in "$apt_folder"/sources.list.d/debian.sources "$apt_folder"/sources.list.d/*.sources; do
    [ -e "$sources" ] || continue
    awk -v codename="$codename" '
      BEGIN { RS = ""; FS = "\n" }
      { uri = ""; serves = 0
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^URIs:/) { split($i, word, " "); uri = word[2] }
          if ($i ~ "^Suites:.*[ \t]" codename "([ \t]|$)") serves = 1
        }
        if (serves) { print uri; exit } }' "$sources" | grep . && return
  done
}

host_pip_settings() {  # prints the host's own pip index and proxy, as NAME=VALUE
  local key name value
  for key in index-url extra-index-url proxy; do
    name=PIP_$(echo "$key" | tr 'a-z-' 'A-Z_')
    value=${!name:-$(python3 -m pip config get "global.$key" 2>/dev/null)}
    case $value in "" | *file:*) ;; *) echo "$name=$value" ;; esac
  done
}

# --- one at a time, and what nobody uses -------------------------------------------------------------------

lock() {  # NAME: holds $base/lock-NAME on descriptor 199 (low ones are the user's), and says so when somebody else has it
  exec 199> "$base/lock-$1" || fail "$base cannot be written" "set XDG_CACHE_HOME to a folder that can be written"
  flock -w 1 199 || { say "another set-up is at work in $base: waiting for it"; flock 199; }
}

take() {  # DIRECTORY: keeps it from being removed while this process and its children live, and notes that it is used
  exec 198< "$1/.whole" && flock -s 198 && { touch -c "$1/.whole" 2>/dev/null || true; }
}

remove_unused() {  # KEEP: what was built for other lists of packages, if unused for 30 days; leftovers of builds after a day
  local path name
  for path in "$base"/*-[0-9]*; do
    name=${path##*/}; name=${name%%.*}
    [ -d "$path" ] && [ ! -L "$path" ] && [ "$base/$name" != "$1" ] || continue
    case $path in
      *.removed | *.partial) [ -n "$(find "$path" -maxdepth 0 -mtime +0)" ] || continue ;;
      *) [ -n "$(find "$path/.whole" -mtime +30 2>/dev/null)" ] || continue ;;
    esac
    (
      exec 199> "$base/lock-$name" && flock -n 199 || exit
      [ ! -e "$path/.whole" ] || { exec 198< "$path/.whole" && flock -n 198 || exit; }
      case $path in *.removed) gone=$path ;; *) gone=$base/$name.removed; mv -T "$path" "$gone" || exit ;; esac
      rm -rf --one-file-system "$gone"
    )
  done
}

# --- the ways ----------------------------------------------------------------------------------------------

make_tools() {  # DIRECTORY PYTHON...: a virtual environment for what comes from PyPI
  local directory=$1 list=$base/requirements-$name.txt; shift
  requirements "$@" > "$list" || return 1
  "$@" -m venv --clear --system-site-packages "$directory" || return 1
  "${@:1:$#-1}" "$directory/bin/python" -m pip install --quiet --disable-pip-version-check \
    --root-user-action=ignore --prefer-binary -r /dev/stdin < "$list"
}

try_host() {  # PYTHON
  local version name; version=$(fenicsx_version "$1") || return 1
  name=host-$(mark)
  [ -z "${PYTHON-}" ] || name=$name-$(command -v "$PYTHON" | cksum | cut -d' ' -f1)
  tools=$base/$name log=$base/build-$name.log
  lock "$name"
  if [ ! -e "$tools/.whole" ]; then
    say "installing the tools of PyPI in $tools"; built=yes
    make_tools "$tools" "$1" > "$log" 2>&1 || fail "pip failed: $(last_words "$log")" "check the network; the log is $log"
    touch "$tools/.whole"
    remove_unused "$tools"
  fi
  take "$tools"
  kind=host; chosen="FEniCSx $version of this machine ($1), tools in $tools"
}

try_apt() {
  archive_has_fenicsx || return 1
  local sudo= log=$base/build-apt.log
  [ "$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && sudo=sudo || return 1; }
  may_install || return 1
  say "installing FEniCSx with apt"; built=yes
  { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      -o DPkg::Lock::Timeout=600 --no-install-recommends $debian_packages; } > "$log" 2>&1 \
    || fail "apt failed: $(last_words "$log")" "check the network; the log is $log"
  try_host /usr/bin/python3
}

whole_conda() {
  tools=$base/conda-$(mark)
  [ -e "$tools/.whole" ] && lock "${tools##*/}" && [ -e "$tools/.whole" ] && take "$tools" || return 1
  kind=conda; chosen="conda environment $tools"
}

try_conda() {
  local conda name log
  for conda in micromamba mamba conda ""; do [ -z "$conda" ] || ! command -v "$conda" >/dev/null 2>&1 || break; done
  [ -n "$conda" ] || return 1
  name=conda-$(mark) tools=$base/conda-$(mark) log=$base/build-conda-$(mark).log
  lock "$name"
  if [ ! -e "$tools/.whole" ]; then
    say "building a conda environment in $tools with $conda"; built=yes
    rm -rf "$tools"
    { "$conda" env create --yes --quiet --prefix "$tools" --file "$here/environment.yml" \
        && requirements "$tools/bin/python" > "$base/requirements-$name.txt" \
        && "$tools/bin/python" -m pip install --quiet -r "$base/requirements-$name.txt"; } > "$log" 2>&1 \
      || fail "$conda failed: $(last_words "$log")" "see the log $log; environment.yml names the packages"
    touch "$tools/.whole"
    remove_unused "$tools"
  fi
  whole_conda
}

ensure_environment() {  # sets kind, chosen, tools or root, built
  built=; kind=
  case $suite in *[!a-z0-9]* | "") fail "SUITE=$suite is no name of a Debian suite" "leave it out, or say SUITE=sid" ;; esac
  mkdir -p "$base" 2>/dev/null && [ -w "$base" ] \
    || fail "the cache $base cannot be made or written" "set XDG_CACHE_HOME to a folder that can be written"
  if [ "$suite" = trixie ]; then
    if [ -n "${PYTHON-}" ]; then
      command -v "$PYTHON" >/dev/null 2>&1 \
        || fail "PYTHON=$PYTHON cannot be run" "name a Python that has dolfinx >= 0.9, or unset PYTHON"
      try_host "$PYTHON" || [ -z "${set_up-}" ] || say "$PYTHON has no dolfinx >= 0.9 with mpi4py, numba, petsc4py, scipy: looking on"
    fi
    [ -n "$kind" ] || { [ -z "${PYTHON-}" ] && try_host python3; } || PYTHON= try_host /usr/bin/python3 \
      || whole_conda || whole_root || try_apt || try_conda || try_root
  else
    whole_root || try_root
  fi
  exec 199>&-
}
