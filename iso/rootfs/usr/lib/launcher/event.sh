# shellcheck shell=dash
# Boot events (docs/internals/guest.md): sourced by the scripts of init.

events=/run/launcher/events
early_log=/run/launcher/events.log # while rcS runs: /var may not be on the data disk yet
kept_log=/var/log/launcher/events.log

# Sets age to the hundredths of a second since this machine started: process 1 is as old as the machine, also in a container.
# Here and in event nothing is forked: in software emulation a process costs more than all the rest.
machine_age() {
  local up rest
  read -r up rest </proc/uptime
  read -r rest </proc/1/stat
  # shellcheck disable=SC2086 # the fields of proc(5), starting with the third
  set -- ${rest##*) }
  age=$((${up%.*} * 100 + 1${up#*.} - 100 - ${20}))
}

# event NAME [MESSAGE]
event() {
  local age hundredths message="${2:-}" line
  machine_age
  hundredths=$((age % 100 + 100))
  case $message in
    *[!A-Za-z0-9\ .,:/_-]*) message=$(printf %s "$message" | tr -d '\\"' | tr -c ' -~' ' ') ;;
  esac
  line="{\"event\": \"$1\", \"t\": $((age / 100)).${hundredths#1}, \"message\": \"$message\"}"
  if [ -e /run/launcher/up ]; then
    echo "$line" >>"$kept_log"
  else
    echo "$line" >>"$early_log"
  fi
  [ ! -e "$events" ] || send_event "$line" &
}

# A virtio port takes one writer at a time, and blocks while nobody listens on the host. dd is coreutils': only it opens
# without blocking.
send_event() {
  local try=0
  while [ $((try += 1)) -le 5 ]; do
    echo "$1" | /bin/dd of="$events" oflag=nonblock conv=notrunc status=none 2>/dev/null && return 0
    usleep 20000
  done
}

# failed MESSAGE: the cluster cannot come up; SSH still does, so that somebody can look.
failed() {
  : >/run/launcher/failed
  event failed "$1"
  echo "launcher: $1" >/dev/console 2>/dev/null
}

# The end of rcS: moves what was logged to where it is kept.
keep_events() {
  mkdir -p /var/log/launcher
  cat "$early_log" >>"$kept_log"
  : >/run/launcher/up
}
