#!/usr/bin/env bash
# Every benchmark a GPU is needed for, in one command; appends a dated section to a file.
#
#   benchmarks/gpu.sh [FILE]          on a CUDA device; FILE is benchmarks/RESULTS.md by default
#   benchmarks/gpu.sh --toy [FILE]    all of it at toy size on the CPU, to standard output
#
# PYTHON names the interpreter (python by default). neuralhydrology is timed where it is installed.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python}
toy=()
if [ "${1:-}" = --toy ]; then
    toy=(--toy)
    shift
fi
file=${1:-RESULTS.md}

if [ ${#toy[@]} -eq 0 ]; then
    device=cuda
    "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
        echo "No CUDA device is here. Try benchmarks/gpu.sh --toy." >&2
        exit 1
    }
    name=$("$python" -c 'import torch; print(torch.cuda.get_device_name())')
    hiddens="64 128 256 512" batches="256 1024 4096" lengths="270 365 450"
    few="64 256" wide=(--batch 256)
else
    device=cpu name="the CPU, toy size" file=${1:-/dev/stdout}
    hiddens=4 batches=2 lengths=6
    few=4 wide=()
fi

run() {
    printf '\n    python benchmarks/%s\n\n```\n' "$*"
    "$python" "$@"
    printf '```\n'
}

everything() {
    printf '\n## GPU: %s, %s\n' "$name" "$(date +%F)"
    for hidden in $hiddens; do
        for batch in $batches; do
            for days in $lengths; do
                run recurrence.py --device "$device" "${toy[@]}" --members 0 \
                    --hidden "$hidden" --batch "$batch" --days "$days" --last 1
            done
        done
    done
    for hidden in $few; do
        run recurrence.py --device "$device" "${toy[@]}" --profile --hidden "$hidden" "${wide[@]}"
        run members.py --device "$device" "${toy[@]}" --hidden "$hidden"
        run graphs.py --device "$device" "${toy[@]}" --hidden "$hidden"
        run on_device.py --device "$device" "${toy[@]}" --hidden "$hidden"
    done
}

everything >>"$file"
