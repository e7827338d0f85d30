# shellcheck shell=bash
# Sourced first by every script here: where things are, who runs what, and small tools that all of them need.
set -euo pipefail
umask 022 # the unprivileged servers must be able to read what is built here; secrets are made by write_secret

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT"
STATE=$(realpath -m -- "${STATE_DIR:-var}") # everything one stack keeps
BUILD=$(realpath -m -- "${BUILD:-build${SANITIZER:+-${SANITIZER//,/-}}}")
unset MAKEFLAGS MFLAGS MAKELEVEL # a make that is started from here is a new one

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nginx lives in sbin, which a user's PATH may lack
readonly NODE_TOOLS=$ROOT/scripts/tools/node/node_modules
# use_node_tools: the newer Node and npm, where bootstrap found that they are needed. Unlike Debian's they trust only the
# certificate authorities they were built with, so they are told of this machine's.
use_node_tools() {
  local bin
  for bin in "$NODE_TOOLS"/.bin "$NODE_TOOLS"/node-linux-*/bin; do # npm 9 does not link the second into the first
    if [ -d "$bin" ]; then
      PATH=$bin:$PATH
      export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
    fi
  done
}
use_node_tools
export PATH

# As root, no server keeps root: Postgres refuses to run with it, and so does chat-fcgi.
if [ "$(id -u)" = 0 ]; then
  SERVICE_USER=www-data
  DATABASE_USER=postgres
else
  SERVICE_USER='' DATABASE_USER=''
fi
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly ROOT STATE BUILD SERVICE_USER DATABASE_USER

say() { printf '%s\n' "· $*" >&2; }
warn() { printf '%s\n' "! $*" >&2; }
fail() {
  printf '%s\n' "✗ $*" >&2
  exit 1
}

# own_state: the stack of STATE_DIR is whose who calls, or there is none yet.
own_state() {
  local owner
  owner=$(stat -c %U "$STATE")
  [ -w "$STATE" ] && [ "$(id -u)" = 0 ] || [ -O "$STATE" ] || fail "the stack in $STATE is $owner's: do it as $owner, or STATE_DIR=… for one of your own"
}
# no_stack WHY: for those who ask what only its owner may know.
no_stack() {
  if [ -e "$STATE/secret" ] && [ ! -x "$STATE/secret" ]; then
    fail "the stack is in $STATE and $(stat -c %U "$STATE/secret")'s: ask as that user, for example  eval \"\$(sudo make -s env)\"  and  TOKEN=\$(sudo make -s token)"
  fi
  fail "$1"
}

# as USER COMMAND…: with that user's rights; an empty USER is whoever runs this.
as() {
  local user=$1
  shift
  if [ -n "$user" ]; then
    setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs -- "$@"
  else
    "$@"
  fi
}

# wait_for SECONDS COMMAND…: until the command succeeds; false when time is up.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

# write_secret FILE: standard input becomes a file that its owner alone can read.
write_secret() {
  mkdir -p "$(dirname "$1")"
  (umask 077 && cat >"$1.new" && mv -f "$1.new" "$1")
}

# quote TEXT: for a POSIX shell.
quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# fill_in TEMPLATE NAME=VALUE…: @NAME@ becomes VALUE.
fill_in() {
  local text pair
  text=$(<"$1")
  shift
  for pair in "$@"; do text=${text//"@${pair%%=*}@"/"${pair#*=}"}; done
  printf '%s\n' "$text"
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: one that nothing listens on, below the range that outgoing connections use.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); port_taken "$port"; do :; done
  echo "$port"
}

# node_is_recent: Vite needs Node 20.19 or newer, and an npm 11 to install it.
node_is_recent() {
  local version
  version=$(node --version 2>/dev/null && npm --version 2>/dev/null) || return 1
  [[ $version =~ ^v([0-9]+)\.([0-9]+)\.[^$'\n']*$'\n'([0-9]+)\. ]] || return 1
  local major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]} npm=${BASH_REMATCH[3]}
  { [ "$major" -gt 22 ] || { [ "$major" = 22 ] && [ "$minor" -ge 12 ]; } || { [ "$major" = 20 ] && [ "$minor" -ge 19 ]; }; } &&
    [ "$npm" -ge 11 ]
}

# dbmate_program: the program itself, without Node; in an unpacked release it stands beside chat-fcgi.
dbmate_program() { compgen -G "$BUILD/dbmate" || compgen -G "$ROOT/scripts/tools/node_modules/@dbmate/linux-*/bin/dbmate"; }

# npm_install DIRECTORY: exactly its package-lock.json, unless that is what is there.
npm_install() {
  local dir=$1
  [ -f "$dir/package-lock.json" ] || fail "$dir/package-lock.json is missing"
  if [ ! -e "$dir/node_modules/.package-lock.json" ] || [ "$dir/package-lock.json" -nt "$dir/node_modules/.package-lock.json" ]; then
    say "npm packages of ${dir#"$ROOT"/}"
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix "$dir" --no-audit --no-fund --loglevel=error >&2 </dev/null
    touch "$dir/node_modules/.package-lock.json"
  fi
}
