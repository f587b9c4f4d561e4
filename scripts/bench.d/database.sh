# shellcheck shell=bash
# The database: filling it, and asking it by hand in its own client. Sourced by scripts/bench.
# shellcheck disable=SC2154 # Variables of scripts/bench.

open_database() {
  case $database in
  sqlite)
    kind=SQLite database_url=sqlite://$work/etiqueta.db
    join='CROSS JOIN' by_time='INDEXED BY etiqueta_image_newest'
    by_label='INDEXED BY etiqueta_image_tag_newest' by_image='NOT INDEXED'
    tag="label.name || ' ' || tag.confidence"
    # The cache that each connection of the server has.
    client=(sqlite3 -readonly -batch -separator $'\t' -cmd 'PRAGMA cache_size = -4096' "$work/etiqueta.db")
    ;;
  mysql://*)
    kind=MySQL database_url=$database
    join=STRAIGHT_JOIN by_time='FORCE INDEX (etiqueta_image_newest)'
    by_label='FORCE INDEX (etiqueta_image_tag_newest)' by_image='FORCE INDEX (PRIMARY)'
    tag="CONCAT(label.name, ' ', tag.confidence)"
    write_login "${database#mysql://}" >"$scratch/login.cnf"
    client=("$(command -v mariadb || command -v mysql)" "--defaults-extra-file=$scratch/login.cnf"
      --batch --skip-column-names --quick "${login_name:?}")
    use_socket
    case $(ask 'SELECT VERSION()') in *MariaDB*) kind=MariaDB ;; esac
    ;;
  *) die "neither sqlite nor mysql: $database" ;;
  esac
}

# write_login USER:PASSWORD@HOST:PORT/NAME: the options of the client; sets login_name.
write_login() {
  local account=${1%@*} place=${1##*@} address
  place=${place%%\?*}
  address=${place%%/*} login_name=$(unescaped "${place#*/}")
  (umask 077 && : >"$scratch/login.cnf")
  cat <<LOGIN
[client]
protocol = tcp
host = "${address%:*}"
port = $(case $address in *:*) echo "${address##*:}" ;; *) echo 3306 ;; esac)
user = "$(unescaped "${account%%:*}")"
password = "$(unescaped "${account#*:}")"
LOGIN
}

# Over TCP the client now and then waits 40 ms for an acknowledgement: it goes by the server's socket, if
# that is at hand.
use_socket() {
  local socket by_socket
  socket=$(ask 'SELECT @@socket')
  by_socket=("${client[@]:0:2}" --protocol=socket "--socket=$socket" "${client[@]:2}")
  ! "${by_socket[@]}" <<<'SELECT 1;' >/dev/null 2>&1 || client=("${by_socket[@]}")
}

unescaped() { printf '%b' "${1//%/\\x}"; }

seed() {
  say "filling the database"
  "$(program seed)" "$database_url" "$images" >&2 || die "the database cannot be filled"
  # What is still to be written to the disk would be measured else.
  sync
}

database_version() {
  case $kind in
  SQLite) ask "SELECT 'SQLite inside the server; client ' || sqlite_version()" ;;
  *) ask "SELECT CONCAT('$kind ', VERSION())" ;;
  esac
}

database_is_idle() {
  [ "$kind" = SQLite ] || [ "$(ask "SELECT COUNT(*) FROM information_schema.processlist
    WHERE command NOT IN ('Sleep', 'Daemon') AND id <> CONNECTION_ID() AND user <> 'system user'")" = 0 ]
}

# ask SQL: the rows, columns separated by tabs.
ask() { "${client[@]}" <<<"$1;"; }

# fetch SQL: fetches the rows and drops them. Prints the milliseconds.
fetch() {
  local began
  began=$(now)
  ask "$1" >/dev/null
  echo $(($(now) - began))
}

# time_each: runs the statements on its input, a line each, in one session. Prints the milliseconds of
# each. SQLite's client knows whole milliseconds; the processor time of a short statement is more exact.
time_each() {
  if [ "$kind" = SQLite ]; then
    { echo .timer on && cat; } | "${client[@]}" | awk '$1 == "Run" && $2 == "Time:" {
      real = $4 * 1000; busy = ($6 + $8) * 1000; print (real < 10 ? busy : real)}'
  else
    awk '{print "SET @start = SYSDATE(6);"; print
      print "SELECT CONCAT(\"timed \", TIMESTAMPDIFF(MICROSECOND, @start, SYSDATE(6)));"}' |
      "${client[@]}" | awk '$1 == "timed" && NF == 2 {print $2 / 1000}'
  fi
}

# percentile P: of the numbers on its input.
percentile() { sort -g | awk -v p="$1" '{v[NR] = $1} END {if (NR) printf "%.3f\n", v[int(NR * p / 100 + 0.999999)]}'; }

# The columns of a list: an image with its tags, which are looked up for each image.
columns() {
  printf "SELECT HEX(%s), original.byte_size, %s, (SELECT GROUP_CONCAT(%s) FROM etiqueta_image_tag AS tag %s \
%s etiqueta_label AS label ON label.id = tag.label_id WHERE tag.image_id = %s)" \
    "$1" "$2" "$tag" "$by_image" "$join" "$1"
}

# list_query LABEL LABEL SINCE LIMIT: images with both labels, newest first, the rarer label driving; all
# of them if LIMIT is empty. In one line.
list_query() {
  local rarer=$1 other=$2
  [ "$1" -gt "$2" ] || rarer=$2 other=$1
  echo "$(columns walked.image_id walked.registered_at) FROM etiqueta_image_tag AS walked $by_label \
$join etiqueta_image_tag AS other $by_image ON other.image_id = walked.image_id AND other.label_id = $other \
$join etiqueta_image AS image ON image.id = walked.image_id \
$join etiqueta_original AS original ON original.id = image.original_id \
WHERE walked.label_id = $rarer AND walked.registered_at >= $3 \
ORDER BY walked.registered_at DESC, walked.image_id DESC${4:+ LIMIT $4};"
}

# All images, newest first.
all_query() {
  echo "$(columns image.id image.registered_at) FROM etiqueta_image AS image $by_time \
$join etiqueta_original AS original ON original.id = image.original_id \
ORDER BY image.registered_at DESC, image.id DESC"
}

# tags_query [FIRST LAST]: how labels are used, of all time or from a second to a second. In one line.
tags_query() {
  local within=''
  [ $# = 0 ] || within="WHERE registered_at BETWEEN ${1}000000 AND ${2}999999"
  echo "SELECT label.name, used.* FROM (SELECT COUNT(*), MIN(confidence), MAX(confidence), AVG(confidence), \
label_id FROM etiqueta_image_tag $within GROUP BY label_id) AS used \
JOIN etiqueta_label AS label ON label.id = used.label_id;"
}
