#!/bin/sh
# The whole site: says hello and which host answers. The web server writes no access log of its own: the line for the container's
# log is written here.
name=$(hostname)
client=${REMOTE_ADDR#\[::ffff:}
printf '%s - - [%s] "%s %s %s" 200 "%s"\n' "${client%]}" "$(date '+%d/%b/%Y:%H:%M:%S %z')" "$REQUEST_METHOD" \
  "$REQUEST_URI" "$SERVER_PROTOCOL" "$HTTP_USER_AGENT" >&2
cat <<END
Content-Type: text/html; charset=utf-8
Cache-Control: no-store

<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Hello world!</title>
<style>
body { font-family: sans-serif; text-align: center; margin-top: 15vh; color: #223; }
code { background: #eef; padding: 0.2em 0.5em; border-radius: 0.3em; }
</style>
</head>
<body>
<h1>Hello world!</h1>
<p>My hostname is <code>$name</code></p>
</body>
</html>
END
