#!/usr/bin/env bash
# One study as a Slurm job: `sbatch cluster/slurm.sh --variant cross --output /shared/mlruns`, from a checkout on
# storage that all nodes share, with the project installed in .venv there. Submitted again, it goes on where it was.
#SBATCH --job-name=ser-study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:?run this with sbatch}"
. .venv/bin/activate

port=6379
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
# Each node counts its own cores and GPUs there.
ray_on() { exec srun --nodes=1 --ntasks=1 --overlap --nodelist="$1" cluster/start-ray.sh --block "${@:2}"; }

ray_on "$head" --head --port="$port" --include-dashboard=false &
for node in "${nodes[@]:1}"; do
  ray_on "$node" --address="$head:$port" &
done

# Every node has to be there before the study counts its slots.
export RAY_ADDRESS="$head:$port"
python - "${#nodes[@]}" <<'WAIT'
import sys
import time

import ray

deadline = time.monotonic() + 300
while True:
    try:
        ray.init(logging_level="ERROR", log_to_driver=False)
        here = sum(node["Alive"] for node in ray.nodes())
        ray.shutdown()
    except ConnectionError:
        here = 0
    if here >= int(sys.argv[1]):
        break
    if time.monotonic() > deadline:
        sys.exit(f"{here} of {sys.argv[1]} nodes came up in five minutes")
    time.sleep(3)
WAIT

# Slurm signals this script two minutes before the time is up; the study then stops where it can go on.
ser-study run "$@" &
study=$!
trap 'kill -TERM "$study"' TERM
code=0
wait "$study" || code=$?
if kill -0 "$study" 2>/dev/null; then  # the trap ended the wait, not the study
  code=0
  wait "$study" || code=$?
fi
kill $(jobs -p) 2>/dev/null || true
exit "$code"
