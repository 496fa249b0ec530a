# Shared by tests that run programs as a user does: TAP lines and waiting. $tests_run and $tests_failed count.
# shellcheck shell=bash
tests_run=0
tests_failed=0

# report STATUS DESCRIPTION OUTPUT: one TAP line; what a failing command said follows as comments.
report() {
  tests_run=$((tests_run + 1))
  if [ "$1" -eq 0 ]; then
    echo "ok $tests_run - $2"
    return 0
  fi
  tests_failed=$((tests_failed + 1))
  echo "not ok $tests_run - $2 (status $1)"
  printf '%s\n' "$3" | tail -n 40 | sed 's/^/#   /'
  return 1
}

# ok DESCRIPTION COMMAND...: it succeeds.
ok() {
  local description=$1 output status
  shift
  output=$("$@" 2>&1)
  status=$?
  report "$status" "$description" "$output"
}

# is DESCRIPTION EXPECTED COMMAND...: it prints exactly this.
is() {
  local description=$1 expected=$2 actual same
  shift 2
  actual=$("$@" 2>&1)
  [ "$actual" = "$expected" ]
  same=$?
  report $same "$description" "expected: $expected
got: $actual"
}

# like DESCRIPTION REGEX COMMAND...: what it prints matches the extended regular expression.
like() {
  local description=$1 regex=$2 actual matches
  shift 2
  actual=$("$@" 2>&1)
  grep -qE -- "$regex" <<<"$actual"
  matches=$?
  report $matches "$description" "expected to match: $regex
got: $actual"
}

# exits DESCRIPTION CODE REGEX COMMAND...: it ends with CODE and says something that matches on either stream.
exits() {
  local description=$1 code=$2 regex=$3 output status good
  shift 3
  output=$("$@" 2>&1)
  status=$?
  [ "$status" -eq "$code" ] && grep -qE -- "$regex" <<<"$output"
  good=$?
  report $good "$description" "expected exit code $code and: $regex
got $status: $output"
}

# eventually SECONDS COMMAND...: repeats until it succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

# prints REGEX COMMAND...: for eventually.
prints() {
  local regex=$1 output
  shift
  output=$("$@" 2>&1)
  grep -qE -- "$regex" <<<"$output" || { echo "$output"; false; }
}
