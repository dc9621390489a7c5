#!/usr/bin/env bash
# A GPU for minutes on a bare machine: pack what it needs here, run a job there, fetch the weights.
#
#   scripts/gpu_kit.sh pack KIT --photos DIR [DIR ...] --masks DIR [DIR ...] [--weights DIR]
#   scripts/gpu_kit.sh run KIT JOB OUT [--minutes M] [more options of `lrisc train`]
#   scripts/gpu_kit.sh join OUT MODEL --name JOB-PART
#
# `pack` needs pip and the project installed; the machine of `run` Python 3.12, torch, accelerate,
# timm, einops, safetensors, torchvision, rich and pytest, and the project's source beside the kit.
set -euo pipefail
shopt -s nullglob
here="$(cd "$(dirname "$0")" && pwd)"
action="${1:?expected pack, run or join}"
shift
case "$action" in
pack)
    kit="${1:?expected the folder of the kit}"
    mkdir -p "$kit/wheels"
    platforms=()
    for version in 2_35 2_34 2_28 2_27 2_17; do platforms+=(--platform "manylinux_${version}_x86_64"); done
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp "${platforms[@]}" --platform manylinux2014_x86_64 \
        -d "$kit/wheels" 'compressai>=1.2.6,<1.3' lpips tyro docstring-parser typeguard pytorch-msssim
    exec python3 "$here/gpu_kit/pack.py" "$@"
    ;;
run)
    kit="${1:?expected the folder of the kit}"
    site="$(mktemp -d)"
    for wheel in "$kit"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$site"; done
    for source in "$here"/../packages/*/src; do PYTHONPATH="$source:${PYTHONPATH:-}"; done
    export PYTHONPATH="$PYTHONPATH:$site" PYTHONUNBUFFERED=1
    exec python3 "$here/gpu_kit/run.py" "$@"
    ;;
join)
    exec python3 "$here/gpu_kit/join.py" "$@"
    ;;
*)
    echo "gpu_kit: expected pack, run or join, got $action" >&2
    exit 2
    ;;
esac
