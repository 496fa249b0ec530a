#!/bin/bash
# kill -9 of `launcher start` at ten moments, then start again: always ends Ready. The machine is deleted between the rounds, so
# that every one is a first start. SEED repeats a run.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
seed=${SEED:-$$}

ok "the image is cached" "${START[@]}" -p kill --download-only
began=$(date +%s%N)
ok "a first start" "${START[@]}" -p kill
span_ms=$((($(date +%s%N) - began) / 1000000))
ok "delete" "$LAUNCHER" delete -p kill
RANDOM=$seed
echo "# seed $seed; a start takes $span_ms ms"
for ((round = 1; round <= ${ROUNDS:-10}; round++)); do
  moment=$((RANDOM * span_ms / 32768))
  "${START[@]}" -p kill >"$WORK/killed.log" 2>&1 &
  sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
  kill -KILL $! 2>/dev/null
  wait $! 2>/dev/null
  ok "start after a kill at $moment ms" "${START[@]}" -p kill
  ok "the node is Ready" "$KUBECTL" wait --for=condition=Ready node/kill --timeout=30s
  ok "delete" "$LAUNCHER" delete -p kill
done
