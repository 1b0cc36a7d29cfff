#!/bin/sh
# Set a database up at the first start and serve it, with the variables of the official image:
# POSTGRES_PASSWORD, POSTGRES_USER (default postgres), POSTGRES_DB (default: the user's name).
set -eu

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ "${1:-postgres}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo 'Error: set POSTGRES_PASSWORD to a value that is not empty.' >&2
        exit 1
    fi
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$user" --pwfile=/tmp/password --auth=scram-sha-256 --auth-local=trust \
        --encoding=UTF8 --locale=C --no-sync
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    if [ "$database" != postgres ]; then
        printf 'CREATE DATABASE "%s";\n' "$database" | postgres --single -j postgres > /dev/null
    fi
    echo 'PostgreSQL init process complete; ready for start up.'
fi

if [ "${1:-postgres}" = postgres ]; then
    shift
    # The data is thrown away with the container: no need to wait for a disk, or to compile queries.
    exec postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql \
        -c fsync=off -c jit=off "$@"
fi
exec "$@"
