# shellcheck shell=bash
# What the scripts share: messages, missing packages, and the processes of one data directory.
# Sourced. It owns no state and picks no paths; it signals a process only after looking at its arguments.

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [HINT…]: one error line, then what to do about it.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  while (($#)); do
    printf 'hint: %s\n' "$1" >&2
    shift
  done
  exit 1
}

# usage SCRIPT: the comment at the script's head is its help text.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

# have PROBE…: whether a command works.
have() { "$@" >/dev/null 2>&1; }

# install_packages WHY PACKAGE…: through apt-get where that is ours to do, else says what to do.
install_packages() {
  local why=$1
  shift
  if ! have command -v apt-get; then
    die "$why" "install the counterpart of Debian's \`$*\`, then run this again"
  elif ((EUID != 0)); then
    die "$why" "run \`sudo apt-get install --no-install-recommends $*\`, then run this again"
  fi
  say "$why: installing $* with apt-get"
  # The package lists of a fresh machine are empty or old: refresh them only if needed.
  apt_get install "$@" || { apt_get update && apt_get install "$@"; } ||
    die "$why, and apt-get could not install $*" "see apt-get's messages above"
}

apt_get() {
  local verb=$1
  shift
  DEBIAN_FRONTEND=noninteractive apt-get "$verb" -y -q --no-install-recommends "$@" >&2 </dev/null
}

# need_rust: cargo on PATH, and the C compiler that some crates and the linker need.
need_rust() {
  if ! have command -v cargo; then
    PATH="${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH"
    have command -v cargo ||
      die "cargo was not found" "install Rust 1.95 or newer (rustup does it), open a new shell, then run this again"
  fi
  have command -v cc || install_packages "no C compiler (\`cc\`) was found" gcc libc6-dev
}

# === The processes of a data directory ===

# argv_of PID: sets the array `argv`; empty when there is no such process.
argv_of() {
  argv=()
  { mapfile -d '' -t argv <"/proc/$1/cmdline"; } 2>/dev/null || true
}

# gone PID: whether it has ended, even if nobody has reaped it yet. Asks the state, since the arguments of a process
# are empty for a moment while it becomes another program.
gone() {
  local stat=''
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || true
  [[ -z $stat || ${stat##*) } == [ZX]* ]]
}

# pid_in FILE: the number in a pid file.
pid_in() {
  local pid=
  { read -r pid <"$1"; } 2>/dev/null || true
  [[ $pid =~ ^[1-9][0-9]*$ ]] && printf '%s\n' "$pid"
}

# server_pid DATA_DIR: the running `eai server` of that directory. A pid file may be old and its number
# another's by now, so the arguments decide.
server_pid() {
  local pid arg is_server='' is_ours=''
  local -a argv
  pid=$(pid_in "$1/server.pid") || return 1
  argv_of "$pid"
  for arg in "${argv[@]}"; do
    [[ $arg == server ]] && is_server=1
    [[ $arg == "$1" || $arg == "--data-dir=$1" ]] && is_ours=1
  done
  [[ $is_server && $is_ours ]] && printf '%s\n' "$pid"
}

# nats_pid DATA_DIR: the running nats-server that was given that directory's configuration.
nats_pid() {
  local pid arg
  local -a argv
  pid=$(pid_in "$1/nats/nats.pid") || return 1
  argv_of "$pid"
  for arg in "${argv[@]}"; do
    [[ $arg == *"$1/nats/"* ]] && printf '%s\n' "$pid" && return 0
  done
  return 1
}

# in_use DATA_DIR: whether some platform, started here or by hand, holds the directory's lock.
in_use() { [[ -f $1/lock ]] && ! flock --nonblock "$1/lock" true; }

# is_ours DATA_DIR: whether a platform lives there, `up` has started one there, or it is as good as empty.
is_ours() {
  local path
  [[ ! -f $1/platform.json && ! -f $1/up.env ]] || return 0
  for path in "$1"/{.[!.],}*; do
    case ${path##*/} in
      '*' | '.[!.]*' | lost+found | up.lock | up.env.new | lock) ;;
      *) return 1 ;;
    esac
  done
}

# lock_dir DATA_DIR: one `up` or `down` at a time; held until the script ends, as file 9. Another's `down --purge`
# may delete the directory while this waits: then false.
lock_dir() {
  exec 9>>"$1/up.lock" || return 1
  flock 9
  [[ /proc/self/fd/9 -ef $1/up.lock ]]
}

# end_process NAME PID SECONDS [SIGNAL]: asks, waits, then kills.
end_process() {
  local name=$1 pid=$2 patience=$3 tenths
  kill "-${4:-TERM}" "$pid" 2>/dev/null || return 0
  for ((tenths = 0; tenths < patience * 10; tenths++)); do
    gone "$pid" && return 0
    sleep 0.1
  done
  say "$name (pid $pid) did not end within $patience s: killing it"
  kill -KILL "$pid" 2>/dev/null || return 0
  for ((tenths = 0; tenths < 50; tenths++)); do
    gone "$pid" && return 0
    sleep 0.1
  done
  die "$name (pid $pid) cannot be ended" "look at it with \`ps -o pid,stat,wchan,args -p $pid\`"
}

# end_platform DATA_DIR SECONDS [SIGNAL]: the server first, which ends its nats-server; then one that outlived it.
# TERM leaves the platform's jobs to its next start, INT ends them. True when there was something to end.
end_platform() {
  local pid ended=1
  if pid=$(server_pid "$1"); then
    end_process "eai server" "$pid" "$2" "${3:-TERM}"
    ended=0
  fi
  if pid=$(nats_pid "$1"); then
    say "ending the nats-server (pid $pid) that outlived its platform"
    end_process nats-server "$pid" "$2"
    ended=0
  fi
  rm -f -- "$1/server.pid"
  return "$ended"
}

# end_jobs DATA_DIR: what outlived a platform that was killed. A job's shim takes its whole sandbox with it.
end_jobs() {
  local process pid ended=1
  local -a argv
  for process in /proc/[0-9]*; do
    pid=${process##*/}
    argv_of "$pid"
    if [[ ${argv[1]-} == shim && ${argv[2]-} == "$1/runs/"* ]]; then
      end_process 'a job that outlived its platform' "$pid" 0 KILL
      ended=0
    fi
  done
  ((ended)) || remove_cgroups "$1"
  return "$ended"
}

# remove_cgroups DATA_DIR: those of its runs, which are named after the folder of runs. One is in use until the last
# process in it has ended.
remove_cgroups() {
  local name number tenths
  number=$(stat -c %i -- "$1/runs" 2>/dev/null) || return 0
  name=eai-$(stat -c %D -- "$1/runs")-$(printf %x "$number")-'*'
  for ((tenths = 0; tenths < 50; tenths++)); do
    find /sys/fs/cgroup -depth -type d -name "$name" -exec rmdir {} + 2>/dev/null || true
    [[ $(find /sys/fs/cgroup -type d -name "$name" -print -quit 2>/dev/null) ]] || return 0
    sleep 0.1
  done
}

# end_containers DATA_DIR: what a platform that was killed has left in Docker: containers, then their network. True
# when there was a container to end.
end_containers() {
  local id label
  local -a left
  # Made with the first container.
  [[ -d $1/docker ]] && have command -v docker || return 1
  id=$(sed -n 's/.*"platform": *"\([0-9a-f-]*\)".*/\1/p' "$1/platform.json" 2>/dev/null)
  [[ $id ]] || return 1
  label=label=eai.platform=$id
  have docker version || {
    say "Docker does not answer: if this platform has containers, they are left. Once it answers, run this again"
    return 1
  }
  mapfile -t left < <(docker network ls --quiet --filter "$label")
  set -- "${left[@]}"
  mapfile -t left < <(docker ps --all --quiet --filter "$label")
  ((${#left[@]} == 0)) || docker rm --force --volumes "${left[@]}" >/dev/null || true
  (($# == 0)) || docker network rm "$@" >/dev/null || true
  ((${#left[@]} > 0))
}

# need_bubblewrap: what jobs run in.
need_bubblewrap() {
  have command -v bwrap || install_packages "jobs run in sandboxes of bubblewrap, and it is missing" bubblewrap
}

# absolute PATH: with links resolved, so that one directory has one spelling.
absolute() { realpath -m -- "$1"; }

# default_data_dir: the same rule as the server's own.
default_data_dir() {
  printf '%s\n' "${EAI_DATA_DIR:-${HOME:?is not set: give --data-dir}/.local/share/eai}"
}
