#!/usr/bin/env bash
# Starts PostgreSQL, PgBouncer before it, MariaDB and Redis for the tests, each on a
# free port of the loopback address with a fresh folder for its data, and prints
# where they are:
#
#	where=$(e2e/databases.sh start)
#	eval "$where"
#	(cd e2e && go test ./dedupe)
#	e2e/databases.sh stop "$KSHER_DATABASES"
#
# (In one line, eval "$(...)" would hide that it failed.) What isn't there is
# installed from Debian's packages, which takes root. The servers never run as
# root and let in everybody on it. They survive no crash of the machine, but for
# PostgreSQL with KSHER_FSYNC=on.
set -euo pipefail

usage() {
	echo "usage: $0 start | stop DIR" >&2
	exit 2
}

# as USER COMMAND... runs a command as that user, if we are root.
as() {
	user "$1"
	"${user[@]}" "${@:2}"
}

# launch USER NAME COMMAND... starts a server as that user.
launch() {
	user "$1"
	"${user[@]}" "${@:3}" >>"$2.log" 2>&1 </dev/null &
	echo $! >"$2.pid"
}

# user USER sets what makes a command that user's, if we are root.
user() {
	user=(env)
	if [ "$(id -u)" -eq 0 ]; then
		user=(setpriv --reuid="$1" --regid="$1" --init-groups --)
	fi
}

# folder USER NAME makes a folder of $dir that is the user's.
folder() {
	mkdir "$dir/$2"
	if [ "$(id -u)" -eq 0 ]; then
		chown "$1:" "$dir/$2"
	fi
}

# take_port FIRST sets $port to the first port from there on that nobody listens on or has
# taken. The servers inherit the lock, so it is held until the last of them is gone.
take_port() {
	local lock
	for ((port = $1; ; port++)); do
		if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			continue
		fi
		exec {lock}>>"${TMPDIR:-/tmp}/ksher-port-$port.lock"
		if flock --nonblock "$lock"; then
			return
		fi
		exec {lock}>&-
	done
}

# until_ready NAME PID COMMAND... waits until the command succeeds.
until_ready() {
	local name=$1 pid=$2
	shift 2
	for _ in $(seq 300); do
		if "$@" >/dev/null 2>&1; then
			return
		fi
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "$0: $name doesn't start:" >&2
	tail -n 20 "$dir/$name.log" >&2
	return 1
}

postgres_bin() {
	local found
	if found=$(command -v initdb); then
		dirname "$(readlink -f "$found")"
		return
	fi
	find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1
}

install_missing() {
	local missing=()
	[ -n "$(postgres_bin)" ] || missing+=(postgresql)
	command -v pgbouncer >/dev/null || missing+=(pgbouncer)
	command -v mariadbd >/dev/null || missing+=(mariadb-server)
	command -v redis-server >/dev/null || missing+=(redis-server)
	if [ ${#missing[@]} -eq 0 ]; then
		return
	fi
	echo "$0: installing ${missing[*]}" >&2
	apt-get update -qq >&2
	# In runlevel 1 no package starts a server of its own.
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

start() {
	export PATH=$PATH:/usr/sbin:/sbin
	install_missing

	dir=$(mktemp -d "${TMPDIR:-/tmp}/ksher-databases.XXXXXX")
	chmod 755 "$dir"
	touch "$dir/ksher-databases"
	trap 'stop "$dir"' EXIT
	cd "$dir"

	local bin port postgres pgbouncer mysql redis
	bin=$(postgres_bin)
	folder postgres postgres
	folder mysql mysql
	folder redis redis

	take_port 25432
	postgres=$port
	as postgres "$bin/initdb" --pgdata="$dir/postgres" --username=ksher --auth=trust \
		--encoding=UTF8 --locale=C --no-sync >postgres.log 2>&1 </dev/null ||
		{ cat postgres.log >&2; return 1; }
	launch postgres postgres "$bin/postgres" -D "$dir/postgres" -p "$postgres" -c listen_addresses=127.0.0.1 \
		-c unix_socket_directories= -c fsync="${KSHER_FSYNC:-off}" -c max_connections=200

	take_port 26432
	pgbouncer=$port
	cat >pgbouncer.ini <<-INI
		[databases]
		postgres = host=127.0.0.1 port=$postgres user=ksher
		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $pgbouncer
		unix_socket_dir =
		auth_type = any
		pool_mode = transaction
		; So that no transaction gets its connection by luck.
		server_round_robin = 1
		default_pool_size = 40
		max_client_conn = 1000
	INI
	launch postgres pgbouncer pgbouncer "$dir/pgbouncer.ini"

	take_port 23306
	mysql=$port
	cat >mysql.sql <<-'SQL'
		CREATE DATABASE IF NOT EXISTS ksher;
		CREATE USER IF NOT EXISTS ksher@localhost;
		CREATE USER IF NOT EXISTS ksher@127.0.0.1;
		GRANT ALL ON *.* TO ksher@localhost;
		GRANT ALL ON *.* TO ksher@127.0.0.1;
	SQL
	as mysql mariadb-install-db --no-defaults --datadir="$dir/mysql" --skip-test-db \
		--auth-root-authentication-method=normal >mysql.log 2>&1 </dev/null ||
		{ cat mysql.log >&2; return 1; }
	launch mysql mysql mariadbd --no-defaults --datadir="$dir/mysql" --bind-address=127.0.0.1 --port="$mysql" \
		--socket="$dir/mysql/socket" --pid-file="$dir/mysql/pid" --init-file="$dir/mysql.sql" \
		--innodb-flush-log-at-trx-commit=0

	take_port 26379
	redis=$port
	launch redis redis redis-server --bind 127.0.0.1 --port "$redis" --dir "$dir/redis" \
		--save '' --appendonly no

	until_ready postgres "$(cat postgres.pid)" "$bin/pg_isready" -q -h 127.0.0.1 -p "$postgres"
	until_ready pgbouncer "$(cat pgbouncer.pid)" "$bin/pg_isready" -q -h 127.0.0.1 -p "$pgbouncer"
	until_ready mysql "$(cat mysql.pid)" mariadb --no-defaults -h 127.0.0.1 -P "$mysql" -u ksher -e 'SELECT 1' ksher
	until_ready redis "$(cat redis.pid)" redis-cli -h 127.0.0.1 -p "$redis" ping

	trap - EXIT
	cat <<-OUT
		export KSHER_DATABASES='$dir'
		export KSHER_POSTGRES='postgres://ksher@127.0.0.1:$postgres/postgres?sslmode=disable'
		export KSHER_PGBOUNCER='postgres://ksher@127.0.0.1:$pgbouncer/postgres?sslmode=disable'
		export KSHER_MYSQL='ksher@tcp(127.0.0.1:$mysql)/ksher'
		export KSHER_REDIS='127.0.0.1:$redis'
	OUT
}

# alive PID tells whether the process is one of the servers in $dir, and not
# another that got its number.
alive() {
	case $(readlink "/proc/$1/cwd" 2>/dev/null) in
	"$dir"*) return 0 ;;
	esac
	return 1
}

stop() {
	dir=$(readlink -f "$1")
	if [ ! -e "$dir/ksher-databases" ]; then
		echo "$0: $1 isn't a folder that start made" >&2
		return 1
	fi
	local file pid
	for file in "$dir"/*.pid; do
		[ -e "$file" ] || continue
		pid=$(cat "$file")
		# PostgreSQL waits for its clients after TERM, but not after INT. MariaDB
		# ignores INT.
		if alive "$pid"; then kill -TERM "$pid" && kill -INT "$pid"; fi 2>/dev/null || true
	done
	for file in "$dir"/*.pid; do
		[ -e "$file" ] || continue
		pid=$(cat "$file")
		for _ in $(seq 100); do
			alive "$pid" || break
			sleep 0.1
		done
		if alive "$pid"; then kill -KILL "$pid" 2>/dev/null || true; fi
	done
	cd /
	rm -rf "$dir"
}

# redis.sh takes the functions from here.
[ "${BASH_SOURCE[0]}" = "$0" ] || return 0
case ${1:-} in
start) [ $# -eq 1 ] || usage; start ;;
stop) [ $# -eq 2 ] || usage; stop "$2" ;;
*) usage ;;
esac
