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
readonly NODE_TOOLS=${NODE_TOOLS:-$ROOT/scripts/tools/node}
# use_node_tools: the newer Node and npm, where bootstrap found that they are needed. Unlike Debian's they trust only the
# certificate authorities they were built with, so they are told of this machine's.
use_node_tools() {
  if [ -e "$NODE_TOOLS/node_modules/node/made-of" ]; then
    PATH=$NODE_TOOLS/node_modules/node/bin:$PATH
    export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
  fi
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
  tell_full_disk
  exit 1
}

# tell_full_disk: a command that failed for want of space mostly says something else.
tell_full_disk() {
  local place
  for place in "$ROOT" "$STATE" "$NODE_TOOLS" /tmp /var/tmp; do
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    if [ "$(df --output=avail -k "$place" | tail -1)" -lt 256 ]; then
      printf '%s\n' "✗ the disk is full (ENOSPC): $(df --output=target "$place" | tail -1); make room and run it again" >&2
      trap - ERR
      return
    fi
  done
}
set -E
trap tell_full_disk ERR

# write_whole FILE: standard input becomes FILE, all of it or nothing of it, whatever the disk holds.
write_whole() { cat >"$1.new" && mv -f "$1.new" "$1"; }

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

# locked FILE NAME FIELD: of a package in a package-lock.json.
locked() {
  sed -n "/\"node_modules\\/$2\": {/,/^    }/s/^ *\"$3\": \"\\(.*\\)\",\\?$/\\1/p" "$1" | head -1
}

# npmrc KEY: as npm is told, which may not be here yet.
npmrc() { sed -n "s/^$1 *= *//p" ~/.npmrc /etc/npmrc 2>/dev/null | head -1 || true; }

# fetch_package LOCK NAME DIRECTORY: the package's archive from npm's registry, checked against the lock, unpacked there.
fetch_package() {
  local version hash registry authorities archive=$3.tgz
  version=$(locked "$1" "$2" version) hash=$(locked "$1" "$2" integrity)
  [[ $hash == sha512-* ]] || fail "$1 has no sha512 of $2"
  registry=${npm_config_registry:-$(npmrc registry)} authorities=${npm_config_cafile:-$(npmrc cafile)}
  registry=${registry:-https://registry.npmjs.org}
  mkdir -p "$3"
  curl -sSf --retry 3 ${authorities:+--cacert "$authorities"} -o "$archive" "${registry%/}/$2/-/$2-$version.tgz" || fail "$2 $version could not be fetched from $registry"
  [ "sha512-$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)" = "$hash" ] || fail "$2 $version from $registry is not what $1 says"
  tar xzf "$archive" -C "$3" --strip-components=1 --no-same-owner || fail "$2 $version could not be unpacked in $3"
  rm -f "$archive"
}

# node_is_there: one that will do, and where it is ours the one of the lock that is there now.
node_wanted() { sha256sum <"$NODE_TOOLS/package-lock.json"; }
node_is_there() {
  local ours=$NODE_TOOLS/node_modules/node/made-of
  { [ ! -e "$ours" ] || [ "$(<"$ours")" = "$(node_wanted)" ]; } && node_is_recent
}

# fetch_node: Node and npm as scripts/tools/node has them locked. Complete and tried before they are in their place.
fetch_node() {
  local lock=$NODE_TOOLS/package-lock.json place=$NODE_TOOLS/node_modules/node new=$NODE_TOOLS/node_modules/new arch
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) fail "there is no Node for $(uname -m) here: install Node 22 and npm 11" ;;
  esac
  rm -rf -- "$new"
  fetch_package "$lock" "node-linux-$arch" "$new/node"
  fetch_package "$lock" npm "$new/npm"
  mkdir -p "$new/bin"
  ln -s ../node/bin/node ../npm/bin/npm-cli.js ../npm/bin/npx-cli.js "$new/bin/"
  mv "$new/bin/npm-cli.js" "$new/bin/npm"
  mv "$new/bin/npx-cli.js" "$new/bin/npx"
  (PATH=$new/bin:$PATH && hash -r && node_is_recent) || fail "the Node and npm of $lock don't run, or are too old"
  node_wanted >"$new/made-of"
  rm -rf -- "$place"
  mv "$new" "$place"
}

# npm_complete DIRECTORY: every package of its lock that is for this machine is there. npm leaves an optional one that it
# could not unpack out without a word, and programs of Vite's and dbmate's are such.
npm_complete() {
  node -e '
    const { readFileSync, existsSync } = require("fs"), { join } = require("path"), [dir] = process.argv.slice(1)
    const fits = (list, own) => !list || (list.some((it) => it === own) || list.every((it) => it[0] === "!")) && !list.includes("!" + own)
    const { packages } = JSON.parse(readFileSync(join(dir, "package-lock.json"), "utf8"))
    const lacking = Object.entries(packages).filter(([path, it]) => path && fits(it.os, process.platform) && fits(it.cpu, process.arch) && fits(it.libc, "glibc") && !it.optionalPeer && !it.peer)
      .filter(([path, it]) => !existsSync(join(dir, path, "package.json")) && (!it.optional || it.os || it.cpu)).map(([path]) => path)
    if (lacking.length) { console.error(lacking.join(" ")); process.exit(1) }' "$1"
}

# npm_install DIRECTORY: exactly its package-lock.json, unless that is what is there. No script of a package runs: none of ours
# needs one, and this may be root.
npm_install() {
  local dir=$1 stamp=$1/node_modules/.package-lock.json lacking
  [ -f "$dir/package-lock.json" ] || fail "$dir/package-lock.json is missing"
  if [ ! -e "$stamp" ] || [ "$dir/package-lock.json" -nt "$stamp" ]; then
    say "npm packages of ${dir#"$ROOT"/}"
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --ignore-scripts --prefix "$dir" --no-audit --no-fund --no-progress --loglevel=error >&2 </dev/null ||
      { rm -f "$stamp" && fail "npm packages of $dir"; }
    lacking=$(npm_complete "$dir" 2>&1) || { rm -f "$stamp" && fail "npm left packages of $dir out: $lacking"; }
    touch "$stamp"
  fi
}
