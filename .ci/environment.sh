# Finds or builds the environment that the project runs in; sourced by in-env, which sets $here (the checkout).
# Order: the host's own FEniCSx >= 0.9; apt; conda; a private Debian root entered by chroot.
# Whatever is built lives under $base, and a stamp that is written last says that it is whole.

base=${XDG_CACHE_HOME:-$HOME/.cache}/scaling-limits
suite=${SUITE:-trixie}
apt_folder=${APT_FOLDER:-/etc/apt}
root=$base/$suite
log=$base/build-$suite.log
debian_packages="python3-dolfinx-real python3-petsc4py-real python3-slepc4py-real python3-mpi4py python3-numba
 python3-scipy python3-sympy python3-matplotlib python3-pyvista python3-tqdm python3-dev python3-venv python3-pip
 openmpi-bin gcc g++ xvfb xauth libgl1-mesa-dri libopenblas0-pthread"

say() { echo "scaling-limits: $*" >&2; }
fail() { say "error: $1"; say "remedy: $2"; exit 69; }
os_release() { (. /etc/os-release 2>/dev/null && eval "echo \"\${$1:-}\""); }

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
print("\n".join(item for name in extras for item in table[name]))' < "$here/pyproject.toml"
}

mark() {  # changes when the list of packages does
  { echo "$debian_packages"; cat "$here/environment.yml"; sed -n '/^\[project.optional/,/^\[tool/p' "$here/pyproject.toml"; } \
    | cksum | cut -d' ' -f1
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

host_pip_settings() {  # the host's own pip index and proxy, as assignments for env(1)
  local key name value
  for key in index-url extra-index-url proxy; do
    name=PIP_$(echo "$key" | tr 'a-z-' 'A-Z_')
    value=${!name:-$(python3 -m pip config get "global.$key" 2>/dev/null)}
    case $value in "" | *file:*) ;; *) echo "$name=$value" ;; esac
  done
}

# --- the ways ----------------------------------------------------------------------------------------------

make_tools() {  # DIRECTORY PYTHON...: a virtual environment for what comes from PyPI
  local directory=$1; shift
  requirements "$@" > "$base/requirements-$suite.txt" || return 1
  "$@" -m venv --clear --system-site-packages "$directory" || return 1
  "${@:1:$#-1}" "$directory/bin/python" -m pip install --quiet --disable-pip-version-check \
    --root-user-action=ignore --prefer-binary -r /dev/stdin < "$base/requirements-$suite.txt"
}

try_host() {  # PYTHON
  local version; version=$(fenicsx_version "$1") || return 1
  tools=$base/host-$(mark)
  if [ ! -e "$tools/.whole" ]; then
    say "installing the tools of PyPI in $tools"; built=yes
    make_tools "$tools" "$1" > "$log" 2>&1 || fail "pip failed: $(tail -n 1 "$log")" "check the network; the log is $log"
    touch "$tools/.whole"
  fi
  kind=host; chosen="FEniCSx $version of this machine ($1), tools in $tools"
}

try_apt() {
  archive_has_fenicsx || return 1
  local sudo=; [ "$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && sudo=sudo || return 1; }
  say "installing FEniCSx with apt"; built=yes
  { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends $debian_packages; } > "$log" 2>&1 \
    || fail "apt failed: $(tail -n 1 "$log")" "check the network; the log is $log"
  try_host /usr/bin/python3
}

try_conda() {
  local conda
  for conda in micromamba mamba conda ""; do [ -z "$conda" ] || ! command -v "$conda" >/dev/null 2>&1 || break; done
  [ -n "$conda" ] || return 1
  tools=$base/conda-$(mark)
  if [ ! -e "$tools/.whole" ]; then
    say "building a conda environment in $tools with $conda"; built=yes
    rm -rf "$tools"
    { "$conda" env create --yes --quiet --prefix "$tools" --file "$here/environment.yml" \
        && requirements "$tools/bin/python" > "$base/requirements-$suite.txt" \
        && "$tools/bin/python" -m pip install --quiet -r "$base/requirements-$suite.txt"; } > "$log" 2>&1 \
      || fail "$conda failed: $(tail -n 1 "$log")" "see the log $log; environment.yml names the packages"
    touch "$tools/.whole"
  fi
  kind=conda; chosen="conda environment $tools"
}

try_root() {
  if [ "$(cat "$root/opt/whole" 2>/dev/null)" != "$(mark)" ]; then build_root; fi
  kind=root; chosen="private Debian root ($suite) $root"
}

build_root() {  # under another name, and moved to its own when whole
  local mirror partial=$root.partial
  mirror=$(debian_mirror) || true
  [ -n "$mirror" ] || fail "no FEniCSx here, and no Debian mirror in /etc/apt to build a private root from" \
    "install dolfinx >= 0.9 with your package manager or with conda (environment.yml)"
  [ "$(id -u)" = 0 ] || fail "no FEniCSx here, and building a private Debian root takes the rights of root" \
    "run 'make env' as root, or install dolfinx >= 0.9 with conda (environment.yml)"
  unshare --mount true 2>/dev/null || fail "this machine allows no private mount namespace" \
    "install dolfinx >= 0.9 with conda (environment.yml)"
  say "building a private Debian root ($suite) in $root: a few minutes, once"; built=yes
  rm -rf --one-file-system "$partial"
  if [ -e "$root/opt/whole" ]; then mv "$root" "$partial"; rm "$partial/opt/whole"; else bootstrap "$partial"; fi
  furnish "$partial" || fail "the private root could not be furnished: $(tail -n 1 "$log")" "check the network; the log is $log"
  mark > "$partial/opt/whole"
  rm -rf --one-file-system "$root"
  mv "$partial" "$root"
}

bootstrap() {  # ROOT: a minimal Debian
  : > "$log"
  command -v debootstrap >/dev/null 2>&1 || {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap
  } >> "$log" 2>&1 || fail "debootstrap could not be installed: $(tail -n 1 "$log")" "check the network and /etc/apt"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$1" "$mirror" >> "$log" 2>&1 \
    || fail "debootstrap failed: $(tail -n 1 "$log")" "check the network; the log is $log"
}

furnish() {  # ROOT: Debian's packages, then those of PyPI in /opt/tools
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/host.crt" 2>/dev/null \
    || cp "$1/etc/ssl/certs/ca-certificates.crt" "$1/etc/ssl/certs/host.crt"
  apt-config dump 2>/dev/null | grep -i '^Acquire::https\?::Proxy ' > "$1/etc/apt/apt.conf.d/99host"
  # a mirror of sid may be refreshed less often than its index stays valid
  local fresh=; [ "$suite" = trixie ] || fresh="-o Acquire::Check-Valid-Until=false"
  in_root "$1" sh -c "apt-get update -qq $fresh && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $(echo $debian_packages) && apt-get clean" >> "$log" 2>&1 < /dev/null || return 1
  make_tools /opt/tools in_root "$1" env $(host_pip_settings) python3 >> "$log" 2>&1
}

# --- entering ----------------------------------------------------------------------------------------------

in_root() {  # ROOT COMMAND...: runs it by chroot in a mount namespace of its own; paths mean the same in and out
  local inside=$1; shift
  unshare --mount --propagation private -- bash -c '
    inside=$1 here=$2; shift 2
    for path in /proc /sys /dev /tmp "$HOME" "$here" "$PWD"; do
      [ -e "$path" ] && mkdir -p "$inside$path" || continue
      [ "$path" -ef "$inside$path" ] || mount --rbind "$path" "$inside$path"
    done
    for file in /etc/resolv.conf /etc/hosts; do
      [ ! -e "$file" ] || { touch "$inside$file"; mount --bind "$file" "$inside$file"; }
    done
    for name in $(compgen -e); do
      case $name in PYTHONUNBUFFERED | PYTHONDONTWRITEBYTECODE) ;;
        PYTHON* | PIP_* | CONDA* | VIRTUAL_ENV | LD_* | XDG_RUNTIME_DIR | XDG_DATA_DIRS | PYENV*) unset "$name" ;; esac
    done
    export PATH=/opt/tools/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8
    unset SSL_CERT_DIR
    export PIP_CONFIG_FILE=/dev/null PIP_CERT=/etc/ssl/certs/host.crt SSL_CERT_FILE=/etc/ssl/certs/host.crt
    export REQUESTS_CA_BUNDLE=$PIP_CERT CURL_CA_BUNDLE=$PIP_CERT
    exec chroot "$inside" env -C "$PWD" "$@"' in_root "$inside" "$here" "$@"
}

ensure_environment() {  # sets kind, chosen, tools, built
  built=; kind=
  mkdir -p "$base" || fail "the cache $base cannot be made" "set XDG_CACHE_HOME to a folder that can be written"
  exec 9> "$base/lock-$suite"; flock 9
  if [ "$suite" = trixie ]; then
    try_host "${PYTHON:-python3}" || try_host /usr/bin/python3 || try_apt || try_conda || try_root
  else
    try_root
  fi
  exec 9>&-
}
