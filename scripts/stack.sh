# shellcheck shell=bash
# The parts of a stack, and how each is started and stopped. Sourced after lib.sh by up, run, down and env.
#
#   STATE_DIR/run/NAME.pid     process id and start time of postgres, redis, upstream, workers, nginx
#   STATE_DIR/run/NAME.made-of what it was started with; a difference restarts it
#   STATE_DIR/log/NAME.log     what it says
#   STATE_DIR/secret/          JWT, Postgres and Redis secrets, for the owner alone
#   STATE_DIR/tls/, nginx/     private certificate authority; nginx's configuration as it runs
#   STATE_DIR/ports, url       what was chosen
#   /tmp/chat-UID-HASH/        sockets: their paths may have 107 bytes at most. Gone after make down
#   STATE_DIR/data/            Postgres' cluster; where its user can't reach that, /var/tmp/chat-UID-HASH/

HASH=$(id -u)-$(printf %s "$STATE" | sha256sum | cut -c1-12)
readonly HASH SHORT=/tmp/chat-$HASH FAR=/var/tmp/chat-$HASH
readonly SERVICES=(postgres redis upstream workers nginx) # in the order of starting
readonly START_SECONDS=${START_SECONDS:-30}
readonly KILL_SECONDS=${KILL_SECONDS:-30} # on a machine that is very busy, a killed process takes some to be gone

# own_directory DIR: ours, in a place where anybody may make one of that name first.
own_directory() {
  mkdir -m 755 "$1" 2>/dev/null || true
  [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u "$1")" = "$(id -u)" ] || fail "$1 belongs to somebody else"
}

# directory_for USER DIR: a private one for a server that runs as USER.
directory_for() {
  mkdir -p "$2"
  chmod 750 "$2"
  if [ -n "$1" ]; then chown "$1:$1" "$2"; fi
}

prepare_state() {
  mkdir -p "$STATE"/{run,log,tls,nginx,secret}
  chmod 700 "$STATE/secret"
  own_directory "$SHORT"
  forget_lost_data
  if [ ! -s "$STATE/data-directory" ]; then
    local data=$STATE/data
    mkdir -p "$data"
    if ! as "$DATABASE_USER" test -x "$data" || ! as "$SERVICE_USER" test -x "$data"; then
      rmdir "$data"
      data=$FAR
      own_directory "$data"
      echo "$STATE" | write_whole "$data/state-directory"
    fi
    echo "$data" | write_whole "$STATE/data-directory"
  fi
  DATA=$(<"$STATE/data-directory")
  [ -d "$DATA" ] || own_directory "$DATA"
}

# Data of ours in /var/tmp whose STATE_DIR was deleted.
forget_lost_data() {
  local mark dir
  for mark in /var/tmp/chat-"$(id -u)"-*/state-directory; do
    dir=${mark%/*}
    if [ -O "$mark" ] && [ ! -d "$(<"$mark")" ]; then
      if [ ! -e "$dir/postgres/postmaster.pid" ] || ! kill -0 "$(head -1 "$dir/postgres/postmaster.pid")" 2>/dev/null; then
        rm -rf -- "$dir"
      fi
    fi
  done
}

# within_reach FILE: a path under which the unprivileged servers can read it: its own, or that of a copy.
within_reach() {
  if as "$SERVICE_USER" test -r "$1"; then
    echo "$1"
    return
  fi
  local copy
  copy=$DATA/copies/$(basename "$1")
  mkdir -p "$DATA/copies"
  rm -rf "$copy.new"
  cp -a "$1" "$copy.new"
  if [ -d "$1" ]; then
    chmod -R u+rwX,go+rX "$copy.new"
  else
    chown "$SERVICE_USER" "$copy.new" # a secret stays one
  fi
  rm -rf "$copy"
  mv "$copy.new" "$copy"
  echo "$copy"
}

# --- processes ---

# started_at PID: when the kernel says it began; empty for one that is gone or only waits to be collected.
started_at() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

# alive NAME: sets PID. A number that now belongs to another process doesn't count.
alive() {
  local began
  PID=''
  { read -r PID began <"$STATE/run/$1.pid"; } 2>/dev/null || return 1
  [ -n "$began" ] && [ "$(started_at "$PID")" = "$began" ]
}
dead() { ! alive "$1"; }

fail_with_log() {
  warn "$1 $2; the end of $STATE/log/$1.log:"
  tail -n 20 "$STATE/log/$1.log" >&2 || true
  exit 1
}

# launch NAME USER MADE-OF COMMAND…: in the background, in a session of its own, unless just that is running already.
# False when there was nothing to do.
launch() {
  local name=$1 user=$2 made_of=$3
  shift 3
  made_of=$(printf '%s\n' "$made_of" "$@" | sha256sum)
  if alive "$name"; then
    [ "$(cat "$STATE/run/$name.made-of" 2>/dev/null)" != "$made_of" ] || return 1
    say "$name: the settings changed"
    stop "$name"
  fi
  end_group "$name"
  say "starting $name"
  if [ -s "$STATE/log/$name.log" ]; then mv "$STATE/log/$name.log" "$STATE/log/$name.log.1"; fi # the one before
  ( # one descriptor or two for each stream; make's own and the lock are not handed on
    cd /
    local self=$BASHPID drop=()
    # By itself, before it is a server: whatever ends this script meanwhile, its number is known, or nobody could stop it.
    echo "$made_of" | write_whole "$STATE/run/$name.made-of" || exit 1
    echo "$self $(started_at "$self")" | write_whole "$STATE/run/$name.pid" || exit 1
    ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
    if [ -n "$user" ]; then drop=(setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs --); fi
    exec setsid "${drop[@]}" "$@" </dev/null >>"$STATE/log/$name.log" 2>&1 9>&-
  ) &
  local pid=$!
  wait_for "$START_SECONDS" launched "$name" "$pid" || true
  [[ $(cat "$STATE/run/$name.pid" 2>/dev/null) == "$pid "* ]] || fail "$name could not be noted in $STATE/run"
}
# launched NAME PID: noted, or gone without.
launched() { [[ $(cat "$STATE/run/$1.pid" 2>/dev/null) == "$2 "* ]] || [ -z "$(started_at "$2")" ]; }

# go_first NAME: on a busy machine, where root may say so: it works little and is waited for, so it gets a processor at
# once. Where that isn't allowed, its session weighs more: the kernel looks at sessions before it looks at processes.
go_first() {
  alive "$1" || return 0
  if chrt --all-tasks --rr --pid 1 "$PID" >/dev/null 2>&1; then return; fi
  renice -n -10 -p "$PID" >/dev/null 2>&1 || true
  { echo -10 >"/proc/$PID/autogroup"; } 2>/dev/null || true
}

# in_session PID: whether any process of its session still runs; ended ones that nobody has collected yet don't.
in_session() { pgrep -r D,R,S,T -s "$1" >/dev/null; }

# end_group NAME: children that outlived their parent. What can't be ended is not forgotten: its number stays for the next time.
end_group() {
  local pid
  { read -r pid _ <"$STATE/run/$1.pid"; } 2>/dev/null || return 0
  if { alive "$1" || [ -z "$(started_at "$pid")" ]; } && in_session "$pid"; then # else the number is somebody else's by now
    pkill -KILL -s "$pid" || true
    wait_for "$KILL_SECONDS" eval "! in_session $pid" || fail "$1: processes $(pgrep -d ' ' -s "$pid") don't end, though killed"
  fi
  rm -f "$STATE/run/$1.pid" "$STATE/run/$1.made-of"
}

# stop NAME: the polite way first.
stop() {
  local signal=TERM
  if [ "$1" = postgres ]; then signal=INT; fi # "fast": don't wait for clients to leave
  if alive "$1"; then
    kill -s "$signal" "$PID" 2>/dev/null || true
    if ! wait_for 15 dead "$1"; then
      warn "$1 did not stop by itself"
    fi
  fi
  end_group "$1"
}

stop_everything() {
  local i
  for ((i = ${#SERVICES[@]} - 1; i >= 0; i--)); do
    if alive "${SERVICES[i]}"; then say "stopping ${SERVICES[i]}"; fi
    stop "${SERVICES[i]}"
  done
  if [ -O "$SHORT" ]; then rm -rf -- "$SHORT"; fi
  if [ -O "$FAR" ] && [ ! -e "$FAR/postgres" ]; then # only copies, which the next start makes again
    rm -rf -- "$FAR"
    rm -f "$STATE/data-directory"
  fi
  rm -f "$STATE/url" "$STATE"/secret/*-url-in-use
}

# answers NAME COMMAND…: waits until the command succeeds, or says why it never will.
answers() {
  local name=$1 deadline=$((SECONDS + START_SECONDS))
  shift
  until "$@" >/dev/null 2>&1; do
    alive "$name" || fail_with_log "$name" "ended"
    [ "$SECONDS" -lt "$deadline" ] || fail_with_log "$name" "is not ready after $START_SECONDS s"
    sleep 0.05
  done
}

# port_for NAME: the one it had, as long as nobody else took it; else a free one. Sets PORT_CHOSEN.
port_for() {
  local name=$1 line
  PORT_CHOSEN=''
  alive "$name" || end_group "$name" # a killed parent's children still hold it
  while read -r line; do
    [[ $line != "$name "* ]] || PORT_CHOSEN=${line#* }
  done < <(cat "$STATE/ports" 2>/dev/null)
  if [ -n "$PORT_CHOSEN" ] && { alive "$name" || ! port_taken "$PORT_CHOSEN"; }; then return; fi
  remember_port "$name" "$(free_port)"
}
remember_port() {
  PORT_CHOSEN=$2
  { grep -v "^$1 " "$STATE/ports" 2>/dev/null || true; echo "$1 $2"; } >"$STATE/ports.new"
  mv "$STATE/ports.new" "$STATE/ports"
}

# --- settings in a file ---

# use_env_file: CHAT_ENV_FILE, or this tree's .env where that is not set. The program reads it itself; here is read what the
# stack is made by: who the provider is, which stores, which tokens. As in the program, the file wins, and an empty line of
# a secret says nothing.
use_env_file() {
  if [ -z "${CHAT_ENV_FILE+set}" ] && [ -e "$ROOT/.env" ]; then CHAT_ENV_FILE=$ROOT/.env; fi
  [ -n "${CHAT_ENV_FILE:-}" ] || return 0
  [ -r "$CHAT_ENV_FILE" ] || fail "CHAT_ENV_FILE: $CHAT_ENV_FILE can't be read"
  CHAT_ENV_FILE=$(realpath -- "$CHAT_ENV_FILE")
  say "settings: $CHAT_ENV_FILE"
  local line name value
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:blank:]]*(export[[:blank:]]+)?([A-Z_]+)=(.*)$ ]] || continue
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    [[ $value =~ ^(.*[^[:space:]])?[[:space:]]*$ ]] && value=${BASH_REMATCH[1]}
    [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]] && value=${BASH_REMATCH[1]}
    [ -n "$value" ] || continue
    case $name in
      SAMBANOVA_API_KEY_FILE | DATABASE_URL_FILE | REDIS_URL_FILE | JWT_SECRET_FILE) unset "${name%_FILE}" ;;
      SAMBANOVA_API_KEY | SAMBANOVA_API_BASE | DATABASE_URL | REDIS_URL | JWT_SECRET) unset "${name}_FILE" ;;
      JWT_ALG | JWT_PUBLIC_KEY_FILE | JWT_ISSUER | JWT_AUDIENCE | CHAT_LISTEN) ;;
      JWT_ROLE_CLAIM | JWT_ADMIN_VALUES | JWT_REQUIRED_VALUES) export "${name?}" ;;
      *) continue ;;
    esac
    printf -v "$name" %s "$value"
    IN_ENV_FILE+=" $name"
  done <"$CHAT_ENV_FILE"
}
IN_ENV_FILE=''

# --- Postgres and Redis ---

# made_here NAME VALUE: the URL in the environment is the one that `make env` gave out for this very stack.
made_here() { [ "$2" = "$(cat "$STATE/secret/$1-url" 2>/dev/null)" ]; }

# remember_urls: for make env, migrate and rollback.
remember_urls() {
  printf '%s\n' "$DATABASE_URL" | write_secret "$STATE/secret/database-url-in-use"
  printf '%s\n' "$REDIS_URL" | write_secret "$STATE/secret/redis-url-in-use"
}

# cluster_in_use DIR: by what is left of a Postgres that was killed; its processes work in their data directory.
cluster_in_use() {
  local cwd
  for cwd in /proc/[0-9]*/cwd; do
    if [ "$cwd" -ef "$1" ]; then return; fi
  done
  return 1
}
# release_cluster DIR: waits for those to end, and takes the killed one's locks away: as long as nobody has collected
# that process, its number would keep a new Postgres out.
release_cluster() {
  if dead postgres && [ -e "$1/postmaster.pid" ]; then
    wait_for 10 eval "! cluster_in_use $(quote "$1")" || fail "another Postgres works in $1"
    rm -f "$1/postmaster.pid" "$SHORT"/postgres/.s.PGSQL.*
  fi
}

# use_postgres: DATABASE_URL from the environment, or a private cluster.
use_postgres() {
  if [ -n "${DATABASE_URL_FILE:-}" ] && [ -z "${DATABASE_URL:-}" ]; then DATABASE_URL=$(<"$DATABASE_URL_FILE"); fi
  if [ -n "${DATABASE_URL:-}" ] && ! made_here postgres "$DATABASE_URL"; then
    say "Postgres is the one of DATABASE_URL (unset it for a private one)"
    stop postgres
    return
  fi
  local bin data=$DATA/postgres sockets=$SHORT/postgres
  bin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1)")
  [ -s "$STATE/secret/postgres-password" ] || openssl rand -hex 16 | write_secret "$STATE/secret/postgres-password"
  directory_for "$DATABASE_USER" "$sockets"
  if [ ! -e "$data/PG_VERSION" ]; then
    say "making a Postgres cluster"
    rm -rf "$data"
    directory_for "$DATABASE_USER" "$data"
    # Only the process's own user may come in without a password, and only by the socket.
    (cd / && as "$DATABASE_USER" "$bin/initdb" -D "$data" --locale=C.UTF-8 --encoding=UTF8 \
      --auth-local=peer --auth-host=scram-sha-256 --no-sync) >"$STATE/log/postgres.log" 2>&1 </dev/null ||
      { rm -rf "$data" && fail_with_log postgres "could not make its cluster"; }
  fi
  port_for postgres
  local port=$PORT_CHOSEN password
  password=$(<"$STATE/secret/postgres-password")
  # max_connections: CHAT_WORKERS may be many, and each request thread of each has a connection of its own.
  release_cluster "$data"
  if launch postgres "$DATABASE_USER" '' "$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c "unix_socket_directories=$sockets" -c max_connections=400 -c timezone=UTC -c log_timezone=UTC -c logging_collector=off; then
    answers postgres "$bin/pg_isready" -q -h "$sockets" -p "$port"
    # The service owns its database, and is no superuser.
    (cd / && as "$DATABASE_USER" "$bin/psql" -X -q -h "$sockets" -p "$port" -d postgres -v ON_ERROR_STOP=1 -f -) >>"$STATE/log/postgres.log" 2>&1 <<SQL ||
SET log_statement = 'none'; SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE chat LOGIN CREATEDB' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chat') \gexec
ALTER ROLE chat PASSWORD '$password';
SELECT 'CREATE DATABASE chat OWNER chat' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'chat') \gexec
SQL
      fail_with_log postgres "has no database for the service"
  fi
  DATABASE_URL="postgres://chat:$password@127.0.0.1:$port/chat?sslmode=disable"
  printf '%s\n' "$DATABASE_URL" | write_secret "$STATE/secret/postgres-url"
}

# use_redis: REDIS_URL from the environment, or a private one that keeps nothing on disk.
use_redis() {
  if [ -n "${REDIS_URL_FILE:-}" ] && [ -z "${REDIS_URL:-}" ]; then REDIS_URL=$(<"$REDIS_URL_FILE"); fi
  if [ -n "${REDIS_URL:-}" ] && ! made_here redis "$REDIS_URL"; then
    say "Redis is the one of REDIS_URL (unset it for a private one)"
    stop redis
    return
  fi
  directory_for "$SERVICE_USER" "$SHORT/redis"
  port_for redis
  local port=$PORT_CHOSEN
  # Any user of this machine reaches the port. The file and not the command line, which is everybody's to read.
  [ -s "$STATE/secret/redis-password" ] || openssl rand -hex 16 | write_secret "$STATE/secret/redis-password"
  local password conf=$SHORT/redis/redis.conf
  password=$(<"$STATE/secret/redis-password")
  echo "requirepass $password" | write_secret "$conf"
  if [ -n "$SERVICE_USER" ]; then chown "$SERVICE_USER" "$conf"; fi
  # its callers wait 40 ms at most
  if launch redis "$SERVICE_USER" '' "$(command -v redis-server)" "$conf" --port "$port" --bind 127.0.0.1 --dir "$SHORT/redis" \
    --save '' --appendonly no --maxmemory-policy noeviction --daemonize no; then
    answers redis redis_pings "$port" "$password"
    go_first redis
  fi
  REDIS_URL=redis://:$password@127.0.0.1:$port/0
  printf '%s\n' "$REDIS_URL" | write_secret "$STATE/secret/redis-url"
}
redis_pings() { [ "$(REDISCLI_AUTH=$2 redis-cli -h 127.0.0.1 -p "$1" ping)" = PONG ]; }

# --- the provider's place ---

# use_upstream: the configured provider, or the test upstream where no key says which one.
use_upstream() {
  if [ -n "${SAMBANOVA_API_KEY:-}" ] || [ -n "${SAMBANOVA_API_KEY_FILE:-}" ]; then
    stop upstream
    return
  fi
  export SAMBANOVA_API_KEY=test-upstream
  if [[ ${SAMBANOVA_API_BASE:-} =~ ^http://(127\.[0-9.]+|localhost|\[::1\])[:/] ]]; then
    stop upstream
    say "no SAMBANOVA_API_KEY is set: $SAMBANOVA_API_BASE is sent \"$SAMBANOVA_API_KEY\""
    return
  fi
  [[ " $IN_ENV_FILE " != *' SAMBANOVA_API_BASE '* ]] || fail "$CHAT_ENV_FILE says SAMBANOVA_API_BASE, and there is no SAMBANOVA_API_KEY"
  [ -z "${SAMBANOVA_API_BASE:-}" ] || warn "no SAMBANOVA_API_KEY is set, so SAMBANOVA_API_BASE is not used"
  port_for upstream
  local port=$PORT_CHOSEN program
  program=$(within_reach "$BUILD/test-upstream")
  if launch upstream "$SERVICE_USER" "$(stat -c '%Y %s' "$program")" "$program" --port "$port"; then
    answers upstream port_taken "$port"
  fi
  export SAMBANOVA_API_BASE=http://127.0.0.1:$port/v1
  # shellcheck disable=SC2034 # up says it
  TEST_UPSTREAM=yes
}

# --- tokens ---

# use_jwt: the keys of the environment, or ones of our own. What `make token` must sign with is kept beside.
use_jwt() {
  export JWT_ALG=${JWT_ALG:-HS256} JWT_ISSUER=${JWT_ISSUER:-} JWT_AUDIENCE=${JWT_AUDIENCE:-}
  local signing_key=''
  case $JWT_ALG in
    HS256)
      if [ -z "${JWT_SECRET:-}" ] && [ -n "${JWT_SECRET_FILE:-}" ]; then
        signing_key=$(<"$JWT_SECRET_FILE")
      else
        if [ -z "${JWT_SECRET:-}" ]; then
          [ -s "$STATE/secret/jwt-secret" ] || openssl rand -hex 32 | write_secret "$STATE/secret/jwt-secret"
          JWT_SECRET=$(<"$STATE/secret/jwt-secret")
        fi
        export JWT_SECRET
        signing_key=$JWT_SECRET
      fi
      ;;
    RS256 | ES256)
      if [ -z "${JWT_PUBLIC_KEY_FILE:-}" ]; then
        local private=$STATE/secret/jwt-$JWT_ALG.pem kind=(RSA -pkeyopt rsa_keygen_bits:2048)
        if [ "$JWT_ALG" = ES256 ]; then kind=(EC -pkeyopt ec_paramgen_curve:P-256); fi
        [ -s "$private" ] || openssl genpkey -algorithm "${kind[@]}" 2>/dev/null | write_secret "$private"
        openssl pkey -in "$private" -pubout -out "$STATE/jwt-$JWT_ALG.pub.pem"
        JWT_PUBLIC_KEY_FILE=$STATE/jwt-$JWT_ALG.pub.pem
        signing_key=$(<"$private")
      fi
      export JWT_PUBLIC_KEY_FILE
      ;;
  esac
  # Whatever else JWT_ALG is, the workers refuse it better than a script could.
  JWT_SIGNING_KEY=$signing_key node -e '
    const { JWT_ALG: alg, JWT_SIGNING_KEY: key, JWT_ISSUER: iss, JWT_AUDIENCE: aud } = process.env
    const { JWT_ROLE_CLAIM: roleClaim, JWT_ADMIN_VALUES: admins, JWT_REQUIRED_VALUES: required } = process.env
    console.log(JSON.stringify({ alg, key, iss: iss || undefined, aud: aud || undefined, roleClaim, admins, required }))' |
    write_secret "$STATE/secret/signing.json"
}

# --- workers and nginx ---

# settings: every variable that the workers may read, to notice a change. Not those that shells and tests use.
settings() {
  env -0 | grep -zE '^(SAMBANOVA_|CHAT_|FEATURE_|JWT_|DATABASE_URL|REDIS_URL|LOG_LEVEL=|OTEL_|[A-Z]+SAN_OPTIONS=)' |
    grep -zvE '^CHAT_(URL|CACERT|STATE_DIR)=' | sort -z | tr '\0' '\n'
}

use_workers() {
  export DATABASE_URL REDIS_URL FEATURE_CHAT_ENABLED=${FEATURE_CHAT_ENABLED-true}
  if [ -z "${CHAT_LISTEN:-}" ]; then
    directory_for "$SERVICE_USER" "$SHORT/workers"
    CHAT_LISTEN=$SHORT/workers/fcgi.sock
  fi
  export CHAT_LISTEN
  local name program
  for name in SAMBANOVA_API_KEY_FILE SAMBANOVA_CA_FILE JWT_SECRET_FILE JWT_PUBLIC_KEY_FILE; do
    if [ -n "${!name:-}" ]; then
      [ -r "${!name}" ] || fail "$name: ${!name} can't be read"
      export "$name=$(within_reach "$(realpath -- "${!name}")")"
    fi
  done
  program=$(within_reach "$BUILD/chat-fcgi")
  local arguments=() launcher
  read -ra launcher <<<"${CHAT_LAUNCHER:-}" # in words: what the tests start the program through (a system-call filter)
  local of_file=''
  if [ -n "${CHAT_ENV_FILE:-}" ]; then # as it stands where it is within reach: it is read again on SIGHUP
    arguments=(--env-file "$(within_reach "$CHAT_ENV_FILE")")
    of_file=$(<"$CHAT_ENV_FILE")
  fi
  launch workers "$SERVICE_USER" "$(stat -c '%Y %s' "$BUILD/chat-fcgi")$(settings)$of_file" "${launcher[@]}" "$program" "${arguments[@]}" || true
}

# make_certificate: for localhost, from a certificate authority that can vouch for nothing else.
make_certificate() {
  local tls=$STATE/tls
  if [ ! -s "$tls/ca.pem" ] || ! openssl x509 -checkend 2592000 -noout -in "$tls/ca.pem" >/dev/null; then
    say "making a private certificate authority"
    (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$tls/ca.key")
    openssl req -x509 -new -key "$tls/ca.key" -days 3650 -subj "/CN=Chat on $(uname -n), this machine only" -out "$tls/ca.pem" -config /dev/stdin <<'CONF'
[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
nameConstraints = critical, permitted;DNS:localhost, permitted;IP:127.0.0.0/255.0.0.0, permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
CONF
    rm -f "$tls/cert.pem"
  fi
  if [ ! -s "$tls/cert.pem" ] || ! openssl x509 -checkend 604800 -noout -in "$tls/cert.pem" >/dev/null; then
    (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$tls/key.pem")
    openssl req -new -key "$tls/key.pem" -subj /CN=localhost |
      openssl x509 -req -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -set_serial "0x$(openssl rand -hex 15)" -days 397 -out "$tls/cert.pem" -extfile <(
        printf '%s\n' 'basicConstraints = critical, CA:FALSE' 'keyUsage = critical, digitalSignature' 'extendedKeyUsage = serverAuth' \
          'subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1' 'authorityKeyIdentifier = keyid'
      ) 2>/dev/null
  fi
}

# choose_https_port: PORT, 8443 by default; 0 is any free one, and the same again while nginx runs.
choose_https_port() {
  local port=${PORT:-8443} before
  [[ $port =~ ^[0-9]{1,5}$ ]] && [ "$port" -le 65535 ] || fail "PORT=$port: a number from 0 to 65535"
  if [ "$port" = 0 ]; then
    port_for nginx
    return
  fi
  alive nginx || end_group nginx
  before=$(sed -n 's/^nginx //p' "$STATE/ports" 2>/dev/null || true)
  if ! { alive nginx && [ "$before" = "$port" ]; } && port_taken "$port"; then
    fail "port $port is taken by another program; PORT=0 chooses a free one"
  fi
  remember_port nginx "$port"
}

use_nginx() {
  local port=$PORT_CHOSEN files connections file value ipv6_off='#'
  local req=${NGINX_REQ_PER_SECOND:-0} conn=${NGINX_CONN_PER_IP:-0}
  for value in "NGINX_REQ_PER_SECOND=$req" "NGINX_CONN_PER_IP=$conn"; do
    [[ ${value#*=} =~ ^[0-9]{1,6}$ ]] || fail "$value: a number, 0 for no limit"
  done
  make_certificate
  files=$(ulimit -n 65536 2>/dev/null && echo 65536 || ulimit -Hn)
  connections=$((files < 65536 ? files - 200 : 65000))
  if grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; then ipv6_off=; fi
  local conf=$STATE/nginx values=(
    "USER_LINE=${SERVICE_USER:+user $SERVICE_USER;                                # no worker has rights}"
    "OPEN_FILES=$files" "CONNECTIONS=$connections" "RUN=$SHORT/nginx" "LOG=$STATE/log" "SOCKET=$CHAT_LISTEN"
    "PORT=$port" "IPV6_OFF=$ipv6_off" "DIST=$(within_reach "$ROOT/static/dist")"
    "CERTIFICATE=$STATE/tls/cert.pem" "CERTIFICATE_KEY=$STATE/tls/key.pem"
    "REQ_OFF=$([ "$req" -gt 0 ] || echo '#')" "REQ_PER_SECOND=$req" "REQ_BURST=$((req * 2))"
    "CONN_OFF=$([ "$conn" -gt 0 ] || echo '#')" "CONN_PER_IP=$conn"
    "COMPLETIONS_MAX_BYTES=${CHAT_COMPLETIONS_MAX_BYTES:-20971520}"
  )
  for file in "$ROOT"/nginx/*.conf; do cat "$file" >"$conf/${file##*/}"; done
  mkdir -p "$conf/local"
  for file in "$ROOT"/nginx/*.conf.in "$ROOT"/nginx/local/*.conf.in; do
    value=${file#"$ROOT"/nginx/}
    fill_in "$file" "${values[@]}" >"$conf/${value%.in}"
  done
  mkdir -p "$SHORT/nginx"
  local command
  command=$(command -v nginx)
  if ! "$command" -t -q -e stderr -c "$conf/nginx.conf" >"$STATE/log/nginx-test.log" 2>&1; then
    warn "nginx refuses its configuration:"
    cat "$STATE/log/nginx-test.log" >&2
    exit 1
  fi
  launch nginx '' "$(cat "$conf"/*.conf "$conf"/local/*.conf "$STATE/tls/cert.pem")" "$command" -e stderr -c "$conf/nginx.conf" || true
}

is_ready() {
  [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 --noproxy '*' --cacert "$STATE/tls/ca.pem" "https://localhost:$1/readyz")" = 200 ]
}

# provider_refuses_key PORT: whether the provider has said so to a worker that asked it at its start; a moment is given for that.
provider_refuses_key() {
  local tries stands=''
  for ((tries = 0; tries < 20; tries++)); do
    stands=$(curl -s --max-time 2 --noproxy '*' --cacert "$STATE/tls/ca.pem" "https://localhost:$1/readyz" |
      sed -n 's/.*"provider":{"status":"\([a-z]*\)".*/\1/p')
    if [ "$stands" != unknown ]; then break; fi
    sleep 0.1
  done
  [ "$stands" = refused ]
}

# wait_until_ready: for the workers through nginx, as a client would meet them.
wait_until_ready() {
  local port=$1 deadline=$((SECONDS + START_SECONDS))
  until is_ready "$port"; do
    alive workers || fail_with_log workers "ended"
    alive nginx || fail_with_log nginx "ended"
    if [ "$SECONDS" -ge "$deadline" ]; then
      warn "/readyz says: $(curl -s --max-time 2 --noproxy '*' --cacert "$STATE/tls/ca.pem" "https://localhost:$port/readyz" || true)"
      fail_with_log workers "are not ready after $START_SECONDS s"
    fi
    sleep 0.05
  done
}
