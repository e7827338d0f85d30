# shellcheck shell=bash
# Where tests run: scratch space, stacks of their own, and suites with a table of their times. Sourced after lib.sh by
# test, coverage and sanitize.

finish() {
  trap '' INT TERM HUP
  trap - EXIT
  local state lane
  for lane in "${lanes[@]}"; do kill -TERM -- "-$lane" 2>/dev/null && wait "$lane" 2>/dev/null || true; done
  for state in "$scratch"/*/run; do
    [ ! -d "$state" ] || STATE_DIR=${state%/run} "$ROOT/scripts/clean-state" 2>/dev/null || true
  done
  rm -rf -- "$scratch"
}
lanes=() # process groups of suites that run beside each other
scratch=$(mktemp -d /tmp/chat-test.XXXXXX)
chmod 711 "$scratch" # Postgres' own user must come through
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The tests' stacks are theirs alone: nothing of the shell's settings, least of all a provider's key.
while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(SAMBANOVA_|CHAT_|FEATURE_|JWT_|NGINX_|DATABASE_URL|REDIS_URL|LOG_LEVEL$|STATE_DIR$|PORT$)')
export CHAT_ENV_FILE='' # nor those of .env
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1

"$ROOT/scripts/bootstrap" test
use_node_tools

# on_stores COMMAND…: with DATABASE_URL and REDIS_URL of a private Postgres and Redis; of others for each name in STORES.
on_stores() {
  local state=$scratch/${STORES:-stores}
  STATE_DIR=$state "$ROOT/scripts/up" stores
  (
    eval "$(STATE_DIR=$state "$ROOT/scripts/env")"
    "$@"
  )
}

# on_stack COMMAND…: in tests/, with the addresses of a stack that the suites share.
on_stack() {
  npm_install "$ROOT/tests"
  export STATE_DIR=$scratch/stack PORT=0
  "$ROOT/scripts/up" >"$scratch/up.txt" || { cat "$scratch/up.txt" && return 1; }
  (
    eval "$("$ROOT/scripts/env")"
    CHAT_STATE_DIR=$STATE_DIR UPSTREAM_URL=http://127.0.0.1:$(sed -n 's/^upstream //p' "$STATE_DIR/ports")
    export CHAT_STATE_DIR UPSTREAM_URL
    unset STATE_DIR PORT # a test that starts a stack of its own names them
    cd "$ROOT/tests"
    "$@"
  )
}

# on_faults_stack ARGUMENT…: tests/faults, or of them what the arguments to vitest say, on a stack with limits for many
# answers. All users and limits are this stack's alone.
on_faults_stack() {
  export CHAT_WORKERS=2 CHAT_RATE_LIMIT_PER_MINUTE=100000 CHAT_DAILY_MESSAGE_QUOTA=100000 CHAT_MAX_CONCURRENT_STREAMS=1000 CHAT_CREATE_RATE_PER_MINUTE=unlimited
  on_stack npx vitest run --config vitest.faults.config.ts "$@"
}

# worked PID: hundredths of a second of processor time that its ended children have used.
worked() { awk '{print $16 + $17}' "/proc/$1/stat"; }

# run_suite NAME: that function. Adds a line to the table of times; false if it failed. The processor time is without that
# of servers that outlive it.
run_suite() {
  local began before me=$BASHPID result=passed status
  began=$(date +%s%N) before=$(worked "$me")
  set +e # so that set -e, in the subshell, ends the suite where it fails, and nothing else
  (
    set -e
    trap - EXIT INT TERM HUP
    "$1" </dev/null
  )
  status=$?
  set -e
  [ "$status" = 0 ] || result=FAILED
  printf '%-16s %-7s %7.1f s, %6.1f s of processor\n' "$1" "$result" "$((($(date +%s%N) - began) / 1000000))e-3" \
    "$(($(worked "$me") - before))e-2" >>"$scratch/times"
  [ "$status" = 0 ]
}

# show_times: what failed once more, then the table, and the sum. False if a suite failed.
show_times() {
  local failed name result
  while read -r name result _; do
    [ "$result" = FAILED ] && [ -f "$scratch/said.$name" ] || continue
    printf '\n=== %s FAILED\n%s\n' "$name" "$(grep -aE -A6 "$fault_lines" "$scratch/said.$name" | head -n 60)"
  done <"$scratch/times"
  failed=$(grep -c ' FAILED ' "$scratch/times" || true)
  printf '\n%s\n\n%d passed, %d failed, %d s in all\n' "$(cat "$scratch/times")" \
    "$(($(wc -l <"$scratch/times") - failed))" "$failed" "$SECONDS"
  [ "$failed" = 0 ]
}

fault_lines='FAIL|Error:|AddressSanitizer|[0-9]:[FE]:|✗|not ok|No such file|\*\*\*|^error|› .*\.spec\.ts' # as the tools mark a fault

# run_suites NAME…: each a function; one that fails does not keep the next from running. False if any failed.
run_suites() {
  local name
  for name in "$@"; do
    printf '\n=== %s\n' "$name"
    run_suite "$name" || true
  done
  show_times
}

# run_lane NAME…: one suite after the other. What a suite says is shown when it has ended, as other lanes run beside it.
run_lane() {
  local name
  for name in "$@"; do
    run_suite "$name" >"$scratch/said.$name" 2>&1 || true
    printf '\n=== %s\n%s\n' "$name" "$(cat "$scratch/said.$name")"
  done
}

# run_lanes FIRST LANE…: lists of suites, in words. The first runs alone, the others beside each other. False if any
# suite failed.
run_lanes() {
  local list
  # shellcheck disable=SC2086 # lists of words
  run_lane $1
  shift
  for list in "$@"; do
    set -m # a process group of its own, so that finish ends all of it
    # shellcheck disable=SC2086
    (trap - EXIT INT TERM HUP && set +m && run_lane $list) &
    set +m
    lanes+=($!)
  done
  for list in "${lanes[@]}"; do wait "$list" || true; done
  lanes=()
  show_times
}

# among LIST: those of the chosen suites that the array of that name holds.
among() {
  local -n list=$1
  local name
  for name in "${list[@]}"; do
    if [[ " ${suites[*]} " == *" $name "* ]]; then printf '%s ' "$name"; fi
  done
}

# chosen_suites NAME…: sets suites to those, if there are any; they must be among them.
chosen_suites() {
  local name
  [ $# -gt 0 ] || return 0
  for name in "$@"; do [[ " ${suites[*]} " == *" $name "* ]] || fail "there is no suite '$name': ${suites[*]}"; done
  suites=("$@")
}
