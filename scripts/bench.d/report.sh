# shellcheck shell=bash
# The table, and where it is written. Sourced by scripts/bench.
# shellcheck disable=SC2154 # Variables of scripts/bench.

rows=()

# report WORK TARGET MEASURED LIMIT RATIO [CONDITION]: a row of the table. The condition, as awk knows
# them, says whether the target is met; without one there is no target.
report() {
  local verdict=''
  if [ $# -ge 6 ]; then
    verdict='not measured'
    case $(awk "BEGIN {print (($6) ? \"yes\" : \"no\")}" 2>/dev/null) in
    yes) verdict=met ;;
    no) verdict='**MISSED**' ;;
    esac
  fi
  rows+=("| $1 | $2 | $3 | $4 | $5 | $verdict |")
  say "${rows[-1]}"
}

# calculate EXPRESSION [FORMAT]: as awk knows them. Prints nothing if a part of it is not there.
calculate() { awk "BEGIN {printf \"${2:-%.2f}\", $1}" 2>/dev/null || :; }

print_table() {
  echo '| work | target | measured | limit, in the same run | ratio | |'
  echo '|---|---|---|---|---|---|'
  printf '%s\n' "${rows[@]}"
}

# grouped NUMBER: with blanks between groups of three digits.
grouped() { sed -E ':a; s/([0-9])([0-9]{3})( |$)/\1 \2\3/; ta' <<<"$1"; }

section() {
  echo "<!-- bench: $kind $images -->"
  echo "## $kind, $(grouped "$images") images"
  echo
  echo "$(date -u +%F), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown). $(nproc) cores of"
  echo "$(awk -F': ' '/^model name/ {print $2; exit}' /proc/cpuinfo), $(awk '/^MemTotal/ {print int($2 / 1048576 + 0.5)}' /proc/meminfo) GB,"
  echo "Linux $(uname -r | cut -d- -f1); $(rustc --version | cut -d' ' -f1,2), $(database_version),"
  # What wrk calls its version, and an exit code that is none.
  echo "$(nginx -v 2>&1 | sed 's|.*nginx/|nginx |'), $({ wrk -v || :; } 2>&1 | awk 'NR == 1 {print $1, $2}')."
  echo
  print_table
  echo "<!-- end of bench: $kind $images -->"
}

# write_section FILE: in the place of the section of the same database and size, or at the end.
write_section() {
  local new=$scratch/section whole=$scratch/whole
  section >"$new"
  touch "$1"
  if grep -qxF "<!-- bench: $kind $images -->" "$1"; then
    awk -v first="<!-- bench: $kind $images -->" -v last="<!-- end of bench: $kind $images -->" -v new="$new" '
      $0 == first {while ((getline line <new) > 0) print line; skips = 1}
      !skips {print}
      $0 == last {skips = 0}' "$1" >"$whole"
  else
    { cat "$1" && echo && cat "$new"; } >"$whole"
  fi
  cat "$whole" >"$1"
  say "written into $1"
}
