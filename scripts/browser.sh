# shellcheck shell=bash
# A Python with Playwright, and a Chromium that it drives. Sourced after lib.sh, never run.

# --- Python ----------------------------------------------------------------------------------------

# What the tests of the page need; requests and standardwebhooks are all that the others do.
packages=('requests>=2.28,<3' 'playwright>=1.50,<2' 'axe-playwright-python>=0.1.7,<0.2' 'standardwebhooks>=1,<2')

provide_python() {
  [ -z "${ETIQUETA_TEST_PYTHON:-}" ] || return 0
  local cache=${CARGO_TARGET_DIR:-$PWD/target}/test-python
  cache=$(realpath -m "$cache")
  take_python "$cache/bin/python" || take_python python3 ||
    { create_environment "$cache" && take_python "$cache/bin/python"; } ||
    die "no Python with ${packages[*]} here: pip cannot install them into $cache (its last lines: $(tail -n 2 "$cache.log" 2>/dev/null | tr '\n' ' ')); set ETIQUETA_TEST_PYTHON"
}

take_python() {
  ETIQUETA_TEST_PYTHON=$("$1" -c 'import axe_playwright_python, playwright.sync_api, requests, standardwebhooks, sys; print(sys.executable)' 2>/dev/null) &&
    export ETIQUETA_TEST_PYTHON
}

# Two runs at once make it one after the other.
create_environment() {
  mkdir -p "$1"
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv || return 1
  (
    flock 9
    take_python "$1/bin/python" || {
      python3 -m venv --clear "$1" &&
        "$1/bin/python" -m pip install --timeout 30 --retries 2 "${packages[@]}"
    }
  ) 9>"$1.lock" >"$1.log" 2>&1
}

# --- the browser -----------------------------------------------------------------------------------

# Debian's, or one that is there; a browser that Playwright downloads is not asked for.
provide_browser() {
  [ -z "${ETIQUETA_TEST_BROWSER:-}" ] || return 0
  take_browser || { install_packages chromium && take_browser; } ||
    die "no Chromium here: install chromium, or set ETIQUETA_TEST_BROWSER"
}

take_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    ETIQUETA_TEST_BROWSER=$(command -v "$name") || continue
    export ETIQUETA_TEST_BROWSER
    return 0
  done
  return 1
}
