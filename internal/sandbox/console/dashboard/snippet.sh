#!/usr/bin/env bash
# Creates an order. Needs curl, openssl and xxd.
set -euo pipefail
curl -sS -o merchant.pem {{url}}/setup/merchant.pem

params=(
  "appid={{appid}}"
  "nonce_str=$(openssl rand -hex 16)"
  "time_stamp=$(date +%Y%m%d%H%M%S)"
  "mch_order_no=curl$(date +%s)"
{{params}}
)

# The text to sign: every name=value, sorted by bytes, with nothing between.
text=$(printf '%s\n' "${params[@]}" | LC_ALL=C sort | tr -d '\n')
sign=$(printf %s "$text" | openssl dgst -md5 -sign merchant.pem | xxd -p | tr -d '\n')

fields=()
for p in "${params[@]}" "sign=$sign"; do fields+=(--data-urlencode "$p"); done
curl -sS "${fields[@]}" {{gateway}}/gateway_pay
