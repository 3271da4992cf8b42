#!/usr/bin/env bash
# One machine of a cluster that is started by hand.
#
#   cluster/node.sh head                 on the first machine
#   cluster/node.sh join HEAD:6379       on every other, also later, while a study runs
#
# What follows goes to `ray start`, such as --num-gpus 2 or --port 6380 (Ray's workers take ports 10002 to 19999, so
# the head's must lie elsewhere). It stays in the foreground; Ctrl-C or SIGTERM takes the machine out of the cluster.
set -euo pipefail

# Whoever reaches a Ray port can run code as you, so the cluster asks for a token. Ray looks for it in the variable
# RAY_AUTH_TOKEN, then in the file that RAY_AUTH_TOKEN_PATH names, then in ~/.ray/auth_token. The mode must be said
# everywhere: a head that finds a token asks for it, but a machine or a study that joins shows it only if told to.
export RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0

usage() {
  echo "usage: node.sh head [RAY START OPTIONS] | node.sh join HEAD:PORT [RAY START OPTIONS]" >&2
  exit 2
}

# Ray itself counts the machine's cores, also those that this process may not use. `--num-cpus` among the options wins.
count_cores() {
  python -c 'from distnlc.versions import cores; print(cores())'
}

# Several workers share a GPU. With NVIDIA's MPS their kernels run side by side, without it they take turns. It is
# started where it is installed, with folders of its own, and before Ray, whose workers find it by the variables; a
# watcher stops it when Ray has ended. All GPUs are its own to number, whatever this shell may see of them: a worker
# names its GPU as Ray does. Whoever sets CUDA_MPS_PIPE_DIRECTORY runs it himself.
share_gpus() {
  if ! command -v nvidia-cuda-mps-control > /dev/null || [[ -n ${CUDA_MPS_PIPE_DIRECTORY-} ]]; then
    return
  fi
  local folder
  folder=$(mktemp -d /tmp/distnlc-mps-XXXXXX)
  mkdir "$folder/pipe" "$folder/log"
  export CUDA_MPS_PIPE_DIRECTORY=$folder/pipe CUDA_MPS_LOG_DIRECTORY=$folder/log
  if ! env -u CUDA_VISIBLE_DEVICES nvidia-cuda-mps-control -d; then
    echo "MPS cannot be started: workers on one GPU take turns" >&2
    unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
    rm -r "$folder"
    return
  fi
  (
    trap '' HUP INT TERM
    while kill -0 $$ 2> /dev/null; do sleep 1; done
    echo quit | nvidia-cuda-mps-control
    rm -r "$folder"
  ) < /dev/null &> /dev/null &
}

case "${1-}" in
  head)
    shift
    umask 077 # Ray writes the token with the usual permissions, for all to read
    ray get-auth-token --generate > /dev/null
    cores=$(count_cores)
    share_gpus
    exec ray start --head --block --num-cpus "$cores" "$@"
    ;;
  join)
    [[ "${2-}" == *:* ]] || usage
    head=$2
    shift 2
    if ! ray get-auth-token > /dev/null 2>&1; then
      echo "error: no token on this machine: copy ~/.ray/auth_token from the head, or set RAY_AUTH_TOKEN_PATH" >&2
      exit 2
    fi
    cores=$(count_cores)
    share_gpus
    exec ray start --address "$head" --block --num-cpus "$cores" "$@"
    ;;
  *)
    usage
    ;;
esac
