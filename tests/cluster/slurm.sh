#!/usr/bin/env bash
# A real Slurm of two nodes, both this machine, for tests: `slurm.sh up` and `slurm.sh down`, as root, as often as one
# likes.
#
# Debian's packages are installed if need be, and stay. All else goes with `down`: the daemons, their jobs, $STATE, and
# the configuration, which stands where every Slurm command looks for it. Where a Slurm cannot be had, the exit code is
# 77 and the last line says why.
set -euo pipefail

STATE=/run/adm-slurm
CONFIG=/etc/slurm
MARK="# Written by tests/cluster/slurm.sh."
HOST=$(hostname -s)
NODES="node1 node2"

CANNOT=77

fail() {
    echo "slurm.sh: $1" >&2
    exit "${2:-1}"
}

install() {
    # Several names at once would do where any of them is found.
    local missing=""
    for program in slurmctld slurmd munged sinfo; do
        command -v "$program" > /dev/null || missing=$program
    done
    [ -n "$missing" ] || return 0
    command -v apt-get > /dev/null || fail "$missing is not installed, and there is no apt-get to install it with" $CANNOT
    # No daemon starts by itself where nobody has configured it.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    local log
    log=$(mktemp)
    { apt-get update && apt-get install --yes --no-install-recommends slurm-wlm slurm-wlm-basic-plugins munge; } \
        > "$log" 2>&1 || fail "apt-get cannot install Slurm: $(tail -n 1 "$log")" $CANNOT
}

# Memory is what jobs are killed for, by what their processes hold together, looked at each second: this needs no cgroups.
# There is no slurmdbd; MinJobAge keeps ended jobs in view. Jobs start at once. The GPU is /dev/null. Each node has all
# processors and all memory.
configure() {
    local node port=6818
    mkdir -p "$STATE/ctld" "$CONFIG"
    cat > "$CONFIG/slurm.conf" << END
$MARK
ClusterName=adm
SlurmctldHost=$HOST(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$STATE/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/spool.%n
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.%n.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerParameters=batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
KillWait=5
MinJobAge=3600
ReturnToService=2
GresTypes=gpu
NodeName=DEFAULT CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo) Gres=gpu:1
END
    for node in $NODES; do
        mkdir -p "$STATE/spool.$node"
        echo "NodeName=$node NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$((port++))" >> "$CONFIG/slurm.conf"
        echo "NodeName=$node Name=gpu Count=1 File=/dev/null"
    done > "$CONFIG/gres.conf"
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >> "$CONFIG/slurm.conf"
}

ours() {
    [ -e "$CONFIG/slurm.conf" ] && grep --quiet --line-regexp --fixed-strings "$MARK" "$CONFIG/slurm.conf"
}

up() {
    [ "$(id -u)" = 0 ] || fail "a Slurm of one's own takes root" $CANNOT
    install
    [ ! -e "$CONFIG/slurm.conf" ] || ours || fail "$CONFIG/slurm.conf is of another Slurm" $CANNOT
    down
    configure
    # A key and a socket of its own, so that a munge that the machine may have is not touched.
    (umask 077 && head --bytes 1024 /dev/urandom > "$STATE/munge.key")
    munged --force --key-file "$STATE/munge.key" --socket "$STATE/munge.socket" --pid-file "$STATE/munged.pid" \
        --log-file "$STATE/munged.log" --seed-file "$STATE/munged.seed"
    slurmctld
    for node in $NODES; do
        slurmd -N "$node"
    done
    for _ in $(seq 600); do
        [ "$(sinfo --noheader --format %t 2> /dev/null)" = idle ] && return
        sleep 0.2
    done
    fail "the nodes do not come up: $(tail -n 1 "$STATE/slurmctld.log")"
}

down() {
    if ours; then
        [ ! -e "$STATE/slurmctld.pid" ] || scancel --user root 2> /dev/null || true
        for _ in $(seq 100); do
            [ -n "$(squeue --noheader --states running,completing 2> /dev/null)" ] || break
            sleep 0.2
        done
    fi
    for daemon in slurmctld $(printf "slurmd.%s " $NODES) munged; do
        stop "$daemon"
    done
    ! ours || rm "$CONFIG"/{slurm,gres}.conf
    rm -rf "$STATE"
}

# End a daemon of ours and wait until it has.
stop() {
    local pid
    pid=$(cat "$STATE/$1.pid" 2> /dev/null) || return 0
    [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "${1%%.*}" ] || return 0
    kill "$pid"
    for _ in $(seq 50); do
        [ -d "/proc/$pid" ] || return 0
        sleep 0.2
    done
    kill -9 "$pid"
}

case "${1:-}" in
    up | down) "$1" ;;
    *) fail "up or down?" ;;
esac
