#!/bin/bash
# down.sh FOLDER: ends what up.sh started there, by the process ids that it left, and removes the folder.
folder=$1
export SLURM_CONF=$folder/slurm.conf
running() { # running FILE PROGRAM: the process id in FILE, if it is that program's still
    local pid
    pid=$(tr -dc 0-9 2>/dev/null <"$1") && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
}
timeout 10 scancel --user=root 2>/dev/null
for _ in $(seq 50); do
    [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
    sleep 0.1
done
for file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
    program=$(basename "$file")
    program=${program%%.*}
    pid=$(running "$file" "$program") || continue
    kill -TERM "$pid"
    for _ in $(seq 50); do
        running "$file" "$program" >/dev/null || break
        sleep 0.1
    done
    ! pid=$(running "$file" "$program") || kill -KILL "$pid"
done
rm -rf "$folder"
