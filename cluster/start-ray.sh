#!/usr/bin/env bash
# Starts Ray on one machine, as the files beside it do: `cluster/start-ray.sh ARGUMENTS OF ray start`.
# Where the machine has GPUs, CUDA MPS comes first: several runs compute on one GPU at the same time only by its daemon,
# which processes find when they start to use CUDA.
set -euo pipefail
# What Slurm gives this machine; elsewhere what the driver lists, and Ray counts by itself.
gpus=${SLURM_GPUS_ON_NODE:-$({ nvidia-smi --list-gpus 2>/dev/null || true; } | wc -l)}
counts=()
if [[ -n ${SLURM_JOB_ID:-} ]]; then
  counts=(--num-cpus="${SLURM_CPUS_ON_NODE:-${SLURM_CPUS_PER_TASK:-1}}" --num-gpus="$gpus")
fi
if ((gpus > 0)) && command -v nvidia-cuda-mps-control >/dev/null; then
  # Sockets of this machine, user and job: never on shared storage.
  export CUDA_MPS_PIPE_DIRECTORY=${CUDA_MPS_PIPE_DIRECTORY:-/tmp/mps-$(id -u)-${SLURM_JOB_ID:-ray}}
  export CUDA_MPS_LOG_DIRECTORY=${CUDA_MPS_LOG_DIRECTORY:-$CUDA_MPS_PIPE_DIRECTORY}
  mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY"
  # It fails where it runs already, which is as well; whether it does is checked when a study starts.
  nvidia-cuda-mps-control -d || true
fi
exec ray start ${counts[@]+"${counts[@]}"} "$@"
