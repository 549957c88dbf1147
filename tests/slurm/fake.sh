#!/bin/bash
# A Slurm of files for tests: called as sbatch, squeue, scancel or scontrol, it keeps jobs in $FAKE_SLURM and runs them as
# processes. A file in $FAKE_SLURM makes it go wrong:
#   hold          what is submitted stays PENDING until the file goes
#   sbatch-says   sbatch fails with these words
#   sbatch-loses  sbatch submits, and fails all the same, once
#   sbatch-slow   sbatch takes a second before it submits
#   squeue-fails  squeue fails
#   ends-as       jobs end at once in this state, and run nothing
#   shows-as      what has ended well is shown in this state
#   purges        what has ended is not shown
#   array-size    MaxArraySize
#   reason        what waits does so for this reason
F=$FAKE_SLURM
echo "$(basename "$0") $*" >>"$F/calls"

put() { echo "$2" >"$1.$BASHPID" && mv "$1.$BASHPID" "$1"; }

# Runs one element. Another run of it that was started meanwhile has the say of its state.
element() { # element FOLDER RUN
    while [ -e "$F/hold" ]; do sleep 0.02; done
    [ "$(cat "$1/state")" = PENDING ] && [ "$(cat "$1/run")" = "$2" ] || return
    if end=$(cat "$F/ends-as" 2>/dev/null); then put "$1/state" "$end"; return; fi
    put "$1/state" RUNNING
    if ! true >>"$(cat "$1/output")"; then put "$1/state" FAILED; return; fi
    cd "$(cat "$1/chdir")" || return
    SLURM_ARRAY_JOB_ID=$(cat "$1/job") SLURM_ARRAY_TASK_ID=$(cat "$1/element") setsid bash "$(cat "$1/script")" >>"$(cat "$1/output")" 2>&1 &
    put "$1/pid" $!
    wait $!
    code=$?
    [ "$(cat "$1/state")" = RUNNING ] && [ "$(cat "$1/run")" = "$2" ] || return
    if [ $code = 0 ]; then put "$1/state" COMPLETED; else put "$1/state" FAILED; fi
}

start() { # start FOLDER RUN
    put "$1/run" "$2"
    put "$1/state" PENDING
    (element "$1" "$2") </dev/null >/dev/null 2>&1 &
}

submit() {
    for word; do
        case $word in
            --job-name=*) name=${word#*=} ;;
            --array=*) array=${word#*=} ;;
            --output=*) output=${word#*=} ;;
            --chdir=*) chdir=${word#*=} ;;
        esac
        script=$word
    done
    [ ! -e "$F/sbatch-slow" ] || sleep 1
    if words=$(cat "$F/sbatch-says" 2>/dev/null); then echo "$words" >&2; exit 1; fi
    last=${array#0-}
    last=${last%\%*}
    exec 9>"$F/lock"
    flock 9
    job=$(($(cat "$F/last" 2>/dev/null || echo 0) + 1))
    put "$F/last" $job
    exec 9>&-
    for k in $(seq 0 "$last"); do
        folder=$F/jobs/$job.$k
        mkdir -p "$F/new/$job.$k" "$F/jobs"
        echo "$name" >"$F/new/$job.$k/name"
        echo "$job" >"$F/new/$job.$k/job"
        echo "$k" >"$F/new/$job.$k/element"
        echo "$script" >"$F/new/$job.$k/script"
        echo "$chdir" >"$F/new/$job.$k/chdir"
        echo "${output/\%a/$k}" >"$F/new/$job.$k/output"
        echo PENDING >"$F/new/$job.$k/state"
        mv "$F/new/$job.$k" "$folder"
        start "$folder" 0
    done
    if [ -e "$F/sbatch-loses" ]; then
        rm "$F/sbatch-loses"
        echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
        exit 1
    fi
    echo "$job;fake"
}

show() {
    for word; do
        case $word in
            --name=*) names=,${word#*=}, ;;
            -r) each=1 ;;
        esac
    done
    if [ -e "$F/squeue-fails" ] || [ -z "$names" ]; then echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; fi
    for folder in "$F"/jobs/*; do
        [ -e "$folder/name" ] || continue
        reason=None
        name=$(cat "$folder/name") state=$(cat "$folder/state") element=$(cat "$folder/element")
        case $names in *,$name,*) ;; *) continue ;; esac
        case $state in
            PENDING)
                [ "$each" ] || element="[$element]"
                reason=$(cat "$F/reason" 2>/dev/null || echo None)
                ;;
            RUNNING) ;;
            *)
                [ ! -e "$F/purges" ] || continue
                [ "$state" != COMPLETED ] || state=$(cat "$F/shows-as" 2>/dev/null || echo COMPLETED)
                ;;
        esac
        echo "$(cat "$folder/job")|$element|$name|$state|n1|$reason"
    done
}

cancel() {
    for word; do
        case $word in
            --name=*) wanted=${word#*=} ;;
            --state=*) only=${word#*=} ;;
            *) id=${word/_/.} ;;
        esac
    done
    for folder in "$F"/jobs/${id:-*}; do
        state=$(cat "$folder/state")
        [ "$(cat "$folder/name")" = "$wanted" ] || continue
        [ -z "$only" ] || [ "$state" = "$only" ] || continue
        case $state in
            PENDING | RUNNING)
                put "$folder/state" CANCELLED
                [ "$state" = PENDING ] || kill -TERM -- "-$(cat "$folder/pid")" 2>/dev/null
                ;;
        esac
    done
}

control() {
    case $1 in
        show) echo "MaxArraySize            = $(cat "$F/array-size" 2>/dev/null || echo 1001)" ;;
        requeue)
            folder=$F/jobs/${2/_/.}
            start "$folder" $(($(cat "$folder/run") + 1))
            ;;
    esac
}

case $(basename "$0") in
    sbatch) submit "$@" ;;
    squeue) show "$@" ;;
    scancel) cancel "$@" ;;
    scontrol) control "$@" ;;
esac
exit 0
