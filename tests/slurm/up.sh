#!/bin/bash
# up.sh FOLDER PORT NODES CORES: a throw-away Slurm on this machine, for tests: munged, slurmctld and NODES slurmd's that claim
# CORES cores each, as root and without systemd. All that they write is below FOLDER, which must not be there; clients need SLURM_CONF=FOLDER/slurm.conf.
# Ends with 77 and says why where it cannot be.
set -eu
folder=$1 port=$2 nodes=$3 cores=$4
if [ "$(id -u)" != 0 ]; then echo "a Slurm of one's own needs root"; exit 77; fi
for program in munged slurmctld slurmd sbatch; do
    if ! command -v $program >/dev/null; then echo "$program is not installed"; exit 77; fi
done

mkdir "$folder"
mkdir "$folder/state"
# munge wants no folder that others may write to.
chmod 755 "$folder"
dd if=/dev/urandom of="$folder/key" bs=128 count=1 status=none
chmod 400 "$folder/key"
host=$(hostname -s)
# A job that is requeued waits for as long as its credentials hold, 5 s at least, and a second.
cat >"$folder/slurm.conf" <<END
ClusterName=titrate
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge,cred_expire=5
CredType=cred/munge
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdTimeout=10
KillWait=2
ReturnToService=2
MailProg=/bin/true
NodeName=n[1-$nodes] NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1))-$((port + nodes)) CPUs=$cores RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 DefaultTime=10 PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=60 DefaultTime=10 PriorityTier=9
END
export SLURM_CONF=$folder/slurm.conf

# Daemons hold nothing of the caller's open: who reads its output would wait for them.
munged --force --socket="$folder/munge" --key-file="$folder/key" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/seed" </dev/null >"$folder/munged.out" 2>&1
slurmctld </dev/null >"$folder/slurmctld.out" 2>&1
for number in $(seq "$nodes"); do
    slurmd -N "n$number" </dev/null >"$folder/slurmd.$number.out" 2>&1
done
for _ in $(seq 300); do
    [ "$(sinfo -h -N -o %T 2>/dev/null | grep -c -x idle)" -lt $((2 * nodes)) ] || exit 0
    sleep 0.1
done
echo "the nodes did not come up within half a minute:"
sinfo -N -l
tail "$folder"/*.log
exit 1
