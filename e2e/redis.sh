#!/usr/bin/env bash
# Starts a Redis of several servers for the tests, and prints where it is, as
# databases.sh does:
#
#	where=$(e2e/redis.sh start cluster)  # three primaries with a replica each
#	where=$(e2e/redis.sh start sentinel) # a primary, two replicas, three sentinels
#	eval "$where"
#	e2e/redis.sh stop "$KSHER_REDIS_DIR"
#
# A primary that doesn't answer for a minute is replaced, so that a busy machine
# replaces none; a test that kills one shortens that. Nothing is written to disks, and no server that died is started again. Each Redis has a loopback address
# of its own, so that nobody else starts a server at the address of one that was
# killed: empty as it is, it would be taken for the old primary, and replicas copy it.
set -euo pipefail
self=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=databases.sh
source "$self/databases.sh"

usage() {
	echo "usage: $0 start cluster | start sentinel | stop DIR" >&2
	exit 2
}

# take_address has an address that no other Redis of this script uses. Its servers
# inherit the lock, so it is held until the last of them is gone.
take_address() {
	local n
	for n in $(seq 2 250); do
		address=127.0.77.$n
		exec 9>>"/tmp/ksher-redis-$address.lock"
		if flock --nonblock 9; then
			return
		fi
	done
	echo "$0: all addresses are taken" >&2
	return 1
}

# server NAME OPTION... starts a server on the next port, and adds it to $nodes.
server() {
	local name=$1
	shift
	# Below the ports that the system gives to clients. A cluster's server listens
	# 10,000 above as well.
	port=$((port + 1))
	folder redis "$name"
	local conf=$dir/$name/conf # In a folder of its own, because a sentinel rewrites it.
	printf '%s\n' "bind $address" "bind-source-addr $address" "protected-mode no" "port $port" "dir $dir/$name" "$@" >"$conf"
	if [ "$(id -u)" -eq 0 ]; then
		chown redis: "$conf"
	fi
	launch redis "$name" redis-server "$conf" "${mode[@]}"
	until_ready "$name" "$(cat "$name.pid")" ours "$address:$port" "$(cat "$name.pid")"
	nodes+=("$address:$port")
}

# ours NODE PID tells whether that process answers there, and no other.
ours() {
	ask "$1" info server | tr -d '\r' | grep -qx "process_id:$2"
}

# ask NODE COMMAND... asks a server.
ask() {
	redis-cli -h "${1%:*}" -p "${1#*:}" "${@:2}"
}

# all_say TEXT COMMAND... asks each of the nodes, and succeeds if each answer has it.
all_say() {
	local text=$1 node
	shift
	for node in "${nodes[@]}"; do
		ask "$node" "$@" | grep -q "$text" || return 1
	done
}

cluster() {
	local i
	for i in 1 2 3 4 5 6; do
		server "node$i" "${memory[@]}" "cluster-enabled yes" "cluster-node-timeout 60000"
	done
	redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >cluster.log 2>&1 </dev/null ||
		{ cat cluster.log >&2; return 1; }
	until_ready node1 "$(cat node1.pid)" all_say cluster_state:ok cluster info
	until_ready node1 "$(cat node1.pid)" replicated 0
	echo "export KSHER_REDIS_CLUSTER='$(IFS=, && echo "${nodes[*]}")'"
}

# replicated LAST tells whether each primary has its replicas, of which Redis counts
# the first as 0.
replicated() {
	local node
	for node in "${nodes[@]}"; do
		ask "$node" info replication |
			grep -q -e master_link_status:up -e "slave$1:.*state=online" || return 1
	done
}

sentinel() {
	local i
	server primary "${memory[@]}"
	local primary=$port
	for i in 1 2; do
		server "replica$i" "${memory[@]}" "replicaof $address $primary"
	done
	until_ready primary "$(cat primary.pid)" replicated 1
	nodes=()
	mode=(--sentinel)
	for i in 1 2 3; do
		server "sentinel$i" "sentinel monitor ksher $address $primary 2" \
			"sentinel down-after-milliseconds ksher 60000" "sentinel failover-timeout ksher 3000"
	done
	until_ready sentinel1 "$(cat sentinel1.pid)" all_say 'slaves=2,sentinels=3' info sentinel
	echo "export KSHER_REDIS_SENTINEL='$(IFS=, && echo "${nodes[*]}")'"
}

start_redis() {
	export PATH=$PATH:/usr/sbin:/sbin
	install_missing
	dir=$(mktemp -d "${TMPDIR:-/tmp}/ksher-redis.XXXXXX")
	chmod 755 "$dir"
	touch "$dir/ksher-databases"
	trap 'stop "$dir"' EXIT
	cd "$dir"
	take_address
	nodes=() mode=() port=17000
	memory=('save ""' "appendonly no" "repl-diskless-sync-delay 0")
	"$1"
	trap - EXIT
	echo "export KSHER_REDIS_DIR='$dir'"
}

case ${1:-} in
start) [ $# -eq 2 ] && [[ $2 =~ ^(cluster|sentinel)$ ]] || usage; start_redis "$2" ;;
stop) [ $# -eq 2 ] || usage; stop "$2" ;;
*) usage ;;
esac
