# The private Debian root: built beside what is there, renamed when whole, entered by chroot; sourced by environment.sh.
# Each list of packages has a root of its own, $base/SUITE-MARK; what came from PyPI is in $tools_inside within it.

tools_inside=/usr/lib/scaling-limits  # below /usr, which no folder of the host covers

as_root() {  # COMMAND...: with the rights of root over what is ours: by being root, else in a user namespace
  if [ "$(id -u)" = 0 ]; then "$@"; else unshare --map-root-user "$@"; fi
}

root_name() { echo "$suite-$(mark)"; }

whole_root() {  # is there one for this list of packages?
  local name; name=$(root_name)
  root=$base/$name
  is_whole || adoptable || return 1
  lock "$name"
  is_whole || adopt "$(mark)" || return 1
  take "$root" || return 1
  kind=root; chosen="private Debian root ($suite) $root"
}

is_whole() { [ -e "$root/.whole" ] && { [ ! -L "$root" ] || adoptable; }; }

adoptable() {  # did an earlier version build one from the same list? It kept one root for a suite, its tools in /opt
  [ "$(cat "$base/$suite/opt/whole" 2>/dev/null)" = "$(mark)" ]
}

adopt() {  # MARK: that root gets a second name; it does not move, since an earlier version may be at work in it
  local old=$base/$suite place=$base/$suite$tools_inside script
  [ "$(cat "$old/opt/whole" 2>/dev/null)" = "$1" ] && [ -w "$old" ] || return 1
  if [ "$(cat "$old/.whole" 2>/dev/null)" != "$1" ]; then
    rm -rf "$place.partial" && cp -a "$old/opt/tools" "$place.partial" || return 1
    grep -rlI --exclude-dir=lib /opt/tools "$place.partial" | while read -r script; do
      [ -L "$script" ] || sed -i "s|/opt/tools|$tools_inside|g" "$script"
    done
    rm -rf "$place" && mv -T "$place.partial" "$place" && echo "$1" > "$old/.whole" || return 1
  fi
  ln -sfnT "$suite" "$base/$suite-$1" || return 1
  say "the private root $old, built by an earlier version, is used on"
  hidden_results "$old"
}

hidden_results() {  # ROOT: earlier versions kept in it what was written to folders that are shared now
  local found
  found=$(cd "$1" && find home media mnt opt srv var/tmp -path opt/tools -prune -o -path opt/whole -o -type f -print 2>/dev/null | head -n 20)
  [ -z "$found" ] || say "files that commands wrote inside it before, which are seen from outside only:" \
    $(echo "$found" | sed "s|^|$1/|")
}

previous_root() {  # prints the root of this suite that was used last, whatever its list of packages
  local path newest= earlier
  for path in "$base/$suite"-*; do
    [ -e "$path/.whole" ] && case $path in *.partial | *.removed) false ;; esac || continue
    [ -n "$newest" ] && [ "$newest/.whole" -nt "$path/.whole" ] || newest=$path
  done
  if [ -z "$newest" ] && earlier=$(cat "$base/$suite/opt/whole" 2>/dev/null) && adopt "$earlier"; then
    newest=$base/$suite-$earlier
  fi
  echo "$newest"
}

try_root() {  # a new one; where it cannot be built, commands go on in the previous one, and are told so
  local name log failed previous
  name=$(root_name) log=$base/build-$name.log failed=$base/failed-$name
  root=$base/$name
  lock "$name"
  if ! is_whole; then
    previous=$(previous_root)
    if [ -z "$previous" ]; then
      build_root
    elif [ -n "${set_up-}" ]; then
      (build_root) || { touch "$failed"; say "the previous root $previous works as before, for what it holds"; exit 69; }
      built=yes
    elif [ -n "$(find "$failed" -mmin -60 2>/dev/null)" ] || ! (build_root); then
      [ -n "$(find "$failed" -mmin -60 2>/dev/null)" ] || touch "$failed"
      say "warning: no root for the present list of packages; going on in the previous one, $previous;" \
        "'$here/in-env --set-up' tries again"
      name=${previous##*/} root=$previous
      lock "$name"
    else
      built=yes
    fi
    [ -z "$built" ] || rm -f "$failed"
  fi
  take "$root" || fail "$root has gone" "try again"
  kind=root; chosen="private Debian root ($suite) $root"
}

# --- building ----------------------------------------------------------------------------------------------

build_root() {  # under another name, and moved to its own when whole
  local mirror partial=$root.$$.partial borrowed
  mirror=$(debian_mirror) || true
  [ -n "$mirror" ] || fail "no FEniCSx here, and no Debian mirror in /etc/apt to build a private root from" "$other_ways"
  as_root unshare --mount true 2>/dev/null || {
    [ "$(id -u)" != 0 ] || fail "this machine allows no private mount namespace" "$other_ways"
    fail "no FEniCSx here, and building a private Debian root takes the rights of root, or user namespaces, which this
machine does not allow" "run 'make env' as root, or $other_ways"
  }
  say "building a private Debian root ($suite) in $root: some minutes, 3 GB, once"; built=yes
  : > "$log"
  rm -rf --one-file-system "$root".*.partial 2>> "$log"  # left by builds that were ended; ours has another name
  bootstrap "$partial"
  furnish "$partial" || rm -rf --one-file-system "$partial"
  [ -e "$partial" ] || fail "the private root could not be furnished: $(last_words "$log" 3)" "check the network; the log is $log"
  mark > "$partial/.whole"
  [ ! -L "$root" ] || rm "$root"
  mv -T "$partial" "$root" || fail "$partial cannot be moved to $root" "remove $root"
  [ ! -e "$base/$suite/opt/whole" ] || say "the root of an earlier version, $base/$suite, is needed by older checkouts only;" \
    "remove it when there are none"
  remove_unused "$root"
}

other_ways='install dolfinx >= 0.9 with your package manager or with conda (environment.yml)'

bootstrap() {  # ROOT: a minimal Debian
  borrow debootstrap /usr/sbin/debootstrap
  in_build_namespace "$1" bootstrap_devices env "PATH=$borrowed/usr/sbin:$borrowed/usr/bin:$PATH:/usr/sbin:/sbin" \
    "LD_LIBRARY_PATH=$(echo "$borrowed"/usr/lib/*-linux-gnu)" "DEBOOTSTRAP_DIR=$borrowed/usr/share/debootstrap" \
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$1" "$mirror" >> "$log" 2>&1 || {
      tail -n 20 "$1/debootstrap/debootstrap.log" >> "$log" 2>/dev/null
      rm -rf --one-file-system "$1"
      fail "debootstrap failed: $(last_words "$log" 3)" "check the network; the log is $log"
    }
}

borrow() {  # PACKAGE FILE: sets borrowed, before which FILE is found: nothing if the host has it, else a folder of ours
  local work apt  # the package, and what it needs that the host lacks, is unpacked there: nothing is installed
  borrowed=; [ ! -x "$2" ] || return 0
  borrowed=$base/borrowed/$1 work=$base/borrowed/$1.partial
  [ ! -x "$borrowed$2" ] || return 0
  rm -rf "$work"; mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
  echo "deb $mirror $(os_release VERSION_CODENAME) main" > "$work/apt/sources.list"
  apt=(apt-get -qq -y -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt" -o "Dir::Etc::sourcelist=$work/apt/sources.list"
    -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Debug::NoLocking=1)
  {
    "${apt[@]}" update && "${apt[@]}" --no-install-recommends --download-only install "$1" \
      && printf '%s\0' "$work"/apt/archives/*.deb | xargs -0 -I{} dpkg-deb -x {} "$work" \
      && [ -x "$work$2" ] && rm -rf "$work/apt" "$borrowed" && mv -T "$work" "$borrowed"
  } >> "$log" 2>&1 || fail "the Debian package $1 could not be fetched: $(last_words "$log" 3)" "check the network and $apt_folder"
}

in_build_namespace() {  # ROOT PREPARE COMMAND...: where nothing stays mounted, however it ends
  local inside=$1 fakeroot=() library=; shift
  if [ "$(id -u)" != 0 ]; then  # only one user is there in our user namespace: other owners of files are make-believe
    borrow fakeroot /usr/bin/fakeroot-sysv
    library=$(echo "$borrowed"/usr/lib/*/libfakeroot/libfakeroot-sysv.so)
    fakeroot=(env FAKEROOTDONTTRYCHOWN=1 container=lxc "$borrowed/usr/bin/fakeroot-sysv" -l "$library" -f "$borrowed/usr/bin/faked-sysv" --)
  fi
  (
    [ -z "$library" ] || exec 199>&-  # a daemon of fakeroot's outlives a build that is killed, and must not hold our lock
    as_root unshare --mount --propagation private -- bash -c '. "$1"; inside=$2 library=$3 prepare=$4 shared=(); shift 4
      [ -z "$library" ] || share "${library%/*}"
      "$prepare" || exit 69
      exec "$@"' build "$here/.ci/enter_root" "$inside" "$library" "$1" "${fakeroot[@]}" "${@:2}"
  )
}

furnish() {  # ROOT: Debian's packages, then those of PyPI in $tools_inside
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/host.crt" 2>/dev/null \
    || cp "$1/etc/ssl/certs/ca-certificates.crt" "$1/etc/ssl/certs/host.crt"
  (umask 077; apt-config dump 2>/dev/null | grep -i '^Acquire::https\?::Proxy ' > "$1/etc/apt/apt.conf.d/99host")
  [ "$(id -u)" = 0 ] || echo 'APT::Sandbox::User "root";' >> "$1/etc/apt/apt.conf.d/99host"
  # a mirror of sid may be refreshed less often than its index stays valid
  local fresh=; [ "$suite" = trixie ] || fresh="-o Acquire::Check-Valid-Until=false"
  in_bare_root "$1" sh -c "apt-get update -qq $fresh && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $(echo $debian_packages) && apt-get clean" >> "$log" 2>&1 < /dev/null || return 1
  (
    # by the environment and not on a command line, where a password in them could be read by everybody
    while IFS= read -r setting; do export "$setting"; done < <(host_pip_settings)
    make_tools "$tools_inside" in_bare_root "$1" python3
  ) >> "$log" 2>&1
}

# --- entering ----------------------------------------------------------------------------------------------

in_bare_root() {  # ROOT COMMAND...: the root alone, with its own /tmp and /run: what is installed sees no service of the host
  in_build_namespace "$1" bare_root chroot "$1" env -C / HOME=/root PIP_NO_CACHE_DIR=1 "${@:2}"
}

in_root() {  # ROOT COMMAND...: with the folders of the host in their places; does not return
  local inside namespace=(--mount); inside=$(readlink -f "$1"); shift
  [ "$(id -u)" = 0 ] || namespace+=(--map-root-user)
  exec unshare "${namespace[@]}" --propagation slave -- bash "$here/.ci/enter_root" "$inside" "$here" "$base" "$@"
}
